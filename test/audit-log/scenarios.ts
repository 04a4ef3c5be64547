// How each method that changes something is called so that it does.
import type { DescService } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import type { Kysely } from "kysely";
import { sql } from "kysely";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { InventoryAuditService } from "#gen/ordermesh/inventory/v1/inventory_audit_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { OrdersAuditService } from "#gen/ordermesh/orders/v1/orders_audit_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { PaymentsAuditService } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { PaymentsSandboxService } from "#gen/ordermesh/payments/v1/payments_sandbox_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { ShippingAuditService } from "#gen/ordermesh/shipping/v1/shipping_audit_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { newId } from "#runtime/ids.ts";
import { catalog } from "../../services/catalog/main.ts";
import { order, product } from "../../services/inventory/consumers/facts.fixture.ts";
import { inventory } from "../../services/inventory/main.ts";
import { orders } from "../../services/orders/main.ts";
import { neighbours } from "../../services/orders/neighbours.fixture.ts";
import { paymentsFixture } from "../../services/payments/provider/books.fixture.ts";
import { shipping } from "../../services/shipping/main.ts";
import { serviceFixture } from "../support/service-fixture.ts";
import { callerOf, type Calling } from "./callers.ts";

/** A service on a database of its own. */
export interface World {
  db: Kysely<never>;
  client<Desc extends DescService>(service: Desc): Client<Desc>;
  close(): Promise<void>;
}

/** Makes the change, as often as it is called; answers what it changed. The first call is the change, the others repeats. */
export type Change = () => Promise<string | undefined>;

export interface Scenario {
  /** Full name of the service and name of the method. */
  method: string;
  resourceKind: string;
  /** Prepares what is to be changed. */
  prepare(): Promise<World & { change: Change }>;
  /** The contract knows no repeat: two calls are two changes. */
  changesAgain?: true;
  /** Whoever calls is nobody before: the change makes it somebody. */
  makesCaller?: true;
}

interface Fixture {
  runtime: { db: unknown };
  parts: Pick<Calling, "routes">;
  close(): Promise<void>;
}

export const worldOf = (fixture: Fixture): World => ({
  db: fixture.runtime.db as Kysely<never>,
  client: (service) => callerOf(service, fixture.parts),
  close: fixture.close,
});

const basket = { customerId: "ada", currency: "EUR", paymentToken: "tok_success", items: [{ sku: "MUG", quantity: 2n }] };
const mug = { variant: { sku: "MUG", prices: [{ currencyCode: "EUR", minorUnits: 900n }] }, initialStock: 3n };
const reason = "for the test";

async function ordersWorld() {
  const fixture = await serviceFixture(orders, { others: neighbours().routes });
  const world = worldOf(fixture);
  const place = async () =>
    (await world.client(OrdersService).placeOrder({ ...basket, requestId: "place-1" })).order?.orderId ?? "";
  return { ...world, place };
}

async function inventoryWorld() {
  const fixture = await serviceFixture(inventory);
  await fixture.deliver(ProductCreatedSchema, product({ MUG: 10 }));
  return { ...worldOf(fixture), fixture };
}

async function paidWorld() {
  const fixture = await paymentsFixture();
  await fixture.captureOrder("ord_1");
  return worldOf(fixture);
}

async function shippingWorld() {
  const fixture = await serviceFixture(shipping);
  const orderId = newId("ord");
  const shippingAddress = { recipient: "Ada", lines: ["1 Main St"], city: "Paris", postalCode: "75001", countryCode: "FR" };
  await fixture.deliver(OrderReadySchema, { orderId, shippingMethod: "STANDARD", shippingAddress });
  return { ...worldOf(fixture), orderId };
}

export const scenarios: readonly Scenario[] = [
  {
    method: "ordermesh.catalog.v1.CatalogService/CreateProduct",
    resourceKind: "product",
    prepare: async () => {
      const world = worldOf(await serviceFixture(catalog));
      const request = { title: "Mug", requestId: "create-1", variants: [mug] };
      const create = async () => (await world.client(CatalogService).createProduct(request)).product?.productId;
      return { ...world, change: create };
    },
  },
  {
    method: "ordermesh.orders.v1.OrdersService/PlaceOrder",
    resourceKind: "order",
    prepare: async () => {
      const { place, ...world } = await ordersWorld();
      return { ...world, change: place };
    },
  },
  {
    method: "ordermesh.orders.v1.OrdersService/CancelOrder",
    resourceKind: "order",
    prepare: async () => {
      const { place, ...world } = await ordersWorld();
      const orderId = await place();
      const cancel = async () => (await world.client(OrdersService).cancelOrder({ orderId, reason })).order?.orderId;
      return { ...world, change: cancel };
    },
  },
  {
    method: "ordermesh.orders.v1.OrdersAuditService/ResumeOrder",
    resourceKind: "order",
    prepare: async () => {
      const { place, ...world } = await ordersWorld();
      const orderId = await place();
      await sql`delete from due_work`.execute(world.db);
      const resume = async () => (await world.client(OrdersAuditService).resumeOrder({ orderId, reason })).order?.orderId;
      return { ...world, change: resume };
    },
  },
  {
    method: "ordermesh.inventory.v1.InventoryService/AdjustStock",
    resourceKind: "stock",
    prepare: async () => {
      const { fixture: _fixture, ...world } = await inventoryWorld();
      const request = { sku: "MUG", quantity: 5n, reason, requestId: "adjust-1" };
      return { ...world, change: async () => (await world.client(InventoryService).adjustStock(request)).stock?.sku };
    },
  },
  {
    method: "ordermesh.inventory.v1.InventoryAuditService/ReleaseReservation",
    resourceKind: "reservation",
    prepare: async () => {
      const { fixture, ...world } = await inventoryWorld();
      await fixture.deliver(OrderCreatedSchema, order("ord_1", { MUG: 4 }));
      const request = { orderId: "ord_1", reason };
      const release = async () => (await world.client(InventoryAuditService).releaseReservation(request)).reservation?.orderId;
      return { ...world, change: release };
    },
  },
  {
    method: "ordermesh.payments.v1.PaymentsService/RefundPayment",
    resourceKind: "payment",
    prepare: async () => {
      const world = await paidWorld();
      const request = { orderId: "ord_1", reason, requestId: "refund-1", amount: { currencyCode: "EUR", minorUnits: 700n } };
      return { ...world, change: async () => (await world.client(PaymentsService).refundPayment(request)).payment?.orderId };
    },
  },
  {
    method: "ordermesh.payments.v1.PaymentsService/ResumePayment",
    resourceKind: "payment",
    prepare: async () => {
      const fixture = await paymentsFixture();
      await fixture.askForPayment("ord_1", { token: "tok_3ds" });
      await fixture.runDue();
      const world = worldOf(fixture);
      const payments = world.client(PaymentsService);
      const clientSecret = (await payments.getPayment({ orderId: "ord_1" })).payment?.action?.clientSecret ?? "";
      await world.client(PaymentsSandboxService).answerChallenge({ clientSecret, approved: true });
      return { ...world, change: async () => (await payments.resumePayment({ orderId: "ord_1" })).payment?.orderId };
    },
  },
  {
    method: "ordermesh.payments.v1.PaymentsAuditService/UndoPayment",
    resourceKind: "payment",
    prepare: async () => {
      const world = await paidWorld();
      const request = { orderId: "ord_1", reason };
      return { ...world, change: async () => (await world.client(PaymentsAuditService).undoPayment(request)).payment?.orderId };
    },
  },
  {
    method: "ordermesh.shipping.v1.ShippingService/StopShipment",
    resourceKind: "shipment",
    prepare: async () => {
      const { orderId, ...world } = await shippingWorld();
      return {
        ...world,
        change: async () => (await world.client(ShippingService).stopShipment({ orderId, reason })).shipment?.orderId,
      };
    },
  },
  {
    method: "ordermesh.shipping.v1.ShippingAuditService/ResumeShipment",
    resourceKind: "shipment",
    prepare: async () => {
      const { orderId, ...world } = await shippingWorld();
      await sql`delete from due_work`.execute(world.db);
      return {
        ...world,
        change: async () => (await world.client(ShippingAuditService).resumeShipment({ orderId, reason })).shipment?.orderId,
      };
    },
  },
];
