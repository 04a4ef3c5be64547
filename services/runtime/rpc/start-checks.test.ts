import { expect, test } from "vitest";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { Health } from "#gen/grpc/health/v1/health_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { assertPolicies } from "./policy.ts";
import { compileValidator } from "./validation.ts";

const all = [CatalogService, FraudService, InventoryService, OrdersService, PaymentsService, ShippingService];

test.each(all)("every method of $typeName says who may call it, and its rules compile", (service) => {
  expect(() => assertPolicies([service])).not.toThrow();
  expect(() => compileValidator([service])).not.toThrow();
});

test("methods that do not say who may call them stop the start, each by name", () => {
  const start = () => assertPolicies([CatalogService, Health]);
  expect(start).toThrow(StartupError);
  for (const method of ["Check", "Watch", "List"]) expect(start).toThrow(`grpc.health.v1.Health/${method}: give it an access`);
});
