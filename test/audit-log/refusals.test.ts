// Who may not do something and tries leaves an entry; who tries again and again leaves one.
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { createRefusalLog, type RefusalWriter } from "#runtime/audit-log/refusals.ts";
import { createLogger } from "#runtime/log.ts";
import { createMetrics } from "#runtime/metrics.ts";
import type { OnRefused } from "#runtime/rpc/call-context.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { catalog } from "../../services/catalog/main.ts";
import type { CatalogTables } from "../../services/catalog/store/tables.ts";
import { orders } from "../../services/orders/main.ts";
import { neighbours } from "../../services/orders/neighbours.fixture.ts";
import { refusal } from "../support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../support/service-fixture.ts";
import { until } from "../support/until.ts";
import { address, callerOf, entriesOf } from "./callers.ts";

let fixture: Refusing<CatalogTables>;
beforeAll(async () => {
  fixture = await refusing(catalog);
});
afterAll(() => fixture.close());

type Refusing<Tables> = ServiceFixture<Tables> & { onRefused: OnRefused };

/** The service, and a log of refusals that is written as the work writes, and not as the owner of the tables. */
async function refusing<Tables>(
  definition: ServiceDefinition<Tables>,
  options?: Parameters<typeof serviceFixture>[1],
): Promise<Refusing<Tables>> {
  let writer: RefusalWriter | undefined;
  const create: typeof definition.create = (runtime) => {
    writer = runtime.system as unknown as RefusalWriter;
    return definition.create(runtime);
  };
  const made = await serviceFixture({ ...definition, create }, options);
  const log = createLogger({ level: "silent" });
  return { ...made, onRefused: createRefusalLog({ writerOf: () => writer, metrics: createMetrics(), log }) };
}

test("a role that does not open the method is written down once, however often it is tried", async () => {
  const { onRefused } = fixture;
  const client = callerOf(CatalogService, { ...fixture.parts, onRefused, role: "customer" });
  const attempts = Array.from({ length: 20 }, () => refusal(client.createProduct({ title: "Mug" })));
  for (const attempt of await Promise.all(attempts)) expect(attempt.code).toBe(Code.PermissionDenied);
  const entries = await until(async () => {
    const found = await entriesOf(fixture.runtime.db);
    return found.length > 0 && found;
  });
  expect(entries).toMatchObject([
    {
      tenant_id: "demo",
      subject: "ada",
      roles: "customer",
      method: "ordermesh.catalog.v1.CatalogService/CreateProduct",
      outcome: "PERMISSION_DENIED",
      reason: "ROLE_REQUIRED",
      peer: address,
      before: null,
      after: null,
    },
  ]);
});

test("so is a customer who names another, and one whose request is only wrong is not", async () => {
  const own = await refusing(orders, { others: neighbours().routes });
  const client = callerOf(OrdersService, { ...own.parts, onRefused: own.onRefused });
  expect((await refusal(client.listOrders({ pageSize: -1 }))).code).toBe(Code.InvalidArgument);
  const items = [{ sku: "MUG", quantity: 1n }];
  const order = { customerId: "bob", currency: "EUR", paymentToken: "tok_success", items };
  expect((await refusal(client.placeOrder(order))).reason).toBe("NOT_YOURS");
  const entries = await until(async () => {
    const found = await entriesOf(own.runtime.db);
    return found.length > 0 && found;
  });
  expect(entries).toMatchObject([{ subject: "ada", outcome: "PERMISSION_DENIED", reason: "NOT_YOURS" }]);
  await own.close();
});
