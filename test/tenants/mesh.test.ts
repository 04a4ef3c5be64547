// Two shops on one mesh, with the same SKUs, the same request ids and the same customers: each has what is its own. The work
// has a login of its own, which owns nothing.
import { randomBytes } from "node:crypto";
import { Code, createClient, type Client } from "@connectrpc/connect";
import type { DescService } from "@bufbuild/protobuf";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { jetstream } from "@nats-io/jetstream";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { TenantService } from "#gen/ordermesh/identity/v1/tenant_service_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { AuditState } from "#gen/ordermesh/operations/v1/audit_report_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { OrderState } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersAuditService } from "#gen/ordermesh/orders/v1/orders_audit_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { PaymentsAuditService } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { sealTenant } from "#runtime/audit-log/seal.ts";
import { noTenant } from "#runtime/schedule/job-store.ts";
import { natsConnectionOptions } from "#runtime/backing/nats-url.ts";
import { startHost, type Host } from "#runtime/host.ts";
import { createLogger } from "#runtime/log.ts";
import { runInContext } from "#runtime/request-context.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { catalog } from "../../services/catalog/main.ts";
import { customers } from "../../services/customers/main.ts";
import { fraud } from "../../services/fraud/main.ts";
import { identity } from "../../services/identity/main.ts";
import { inventory } from "../../services/inventory/main.ts";
import { media } from "../../services/media/main.ts";
import { notifications } from "../../services/notifications/main.ts";
import { operations } from "../../services/operations/main.ts";
import { orders } from "../../services/orders/main.ts";
import { payments } from "../../services/payments/main.ts";
import { shipping } from "../../services/shipping/main.ts";
import { throwAwayIdentity } from "../../tools/operator.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import { refusal } from "../support/refusal.ts";
import { eventually } from "../support/until.ts";

const definitions = [
  catalog,
  inventory,
  orders,
  payments,
  fraud,
  shipping,
  operations,
  identity,
  customers,
  notifications,
  media,
] as unknown as ServiceDefinition[];

const login = `test_app_${randomBytes(4).toString("hex")}`;

let database: TestDatabase;
let admin: pg.Client;
let nats: TestNats;
let connection: NatsConnection;
let host: Host;

beforeAll(async () => {
  [database, nats] = await Promise.all([createTestDatabase(), testNats()]);
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  // All databases of the server have this role; it may be there.
  await admin.query("create role ordermesh_app nologin").catch(() => {});
  await admin.query(`create role ${login} login password 'test' in role ordermesh_app`);
  const applicationUrl = new URL(database.url);
  applicationUrl.username = login;
  applicationUrl.password = "test";
  host = await startHost({
    definitions,
    databaseUrl: database.url,
    applicationDatabaseUrl: applicationUrl.href,
    natsUrl: nats.url,
    host: "127.0.0.1",
    rpcPort: 0,
    partitions: 2,
    streamReplicas: 1,
    relayLagMsMax: 10_000,
    retryDelaysMs: [50, 100],
    connectionsMax: 6,
    tenant: "demo",
    log: createLogger({ level: process.env["MESH_LOG"] ?? "silent" }),
    env: {
      ...throwAwayIdentity,
      ORDERMESH_CARRIER_DISPATCH_MS: "100",
      ORDERMESH_CARRIER_DELIVER_MS: "100",
      ORDERMESH_AUDIT_EVERY_MS: "100",
      ORDERMESH_CALL_TARGET_MS: "30000",
    },
  });
  connection = await connect(natsConnectionOptions(nats.url));
  await clientOf("demo", TenantService).createTenant({ tenantId: "other", title: "The other shop" });
  const parcel = { currencyCode: "EUR", units: 1n };
  await eventually(async () => void (await clientOf("other", ShippingService).quoteRates(parcel)));
});

afterAll(async () => {
  await connection.close();
  await host.close();
  await admin.query(`drop role ${login}`);
  await admin.end();
  await nats.stop();
  await database.drop();
});

const shops = ["demo", "other"] as const;
type Shop = (typeof shops)[number];

/** A client in the process of its service, whose calls are a tenant's. */
function clientOf<Desc extends DescService>(tenant: Shop, service: Desc): Client<Desc> {
  const client = createClient(service, host.transportFor(service)) as Record<string, (request: unknown) => unknown>;
  const ask = (name: string) => (request: unknown) =>
    runInContext({ requestId: "req_test", traceparent: "", tenant }, () => client[name]?.(request));
  return new Proxy(client, { get: (_, name) => ask(String(name)) }) as Client<Desc>;
}

const price = { demo: 1_000n, other: 2_500n } as const;
const stock = { demo: 50n, other: 7n } as const;

const placed: Record<Shop, string[]> = { demo: [], other: [] };

async function place(tenant: Shop, requestId: string, quantity = 1n): Promise<string> {
  const items = [{ sku: "MUG", quantity }];
  const basket = { customerId: "ada", currency: "EUR", paymentToken: "tok_success", items, requestId };
  const { order } = await clientOf(tenant, OrdersService).placeOrder(basket);
  return order?.orderId ?? "";
}

const reached = (tenant: Shop, orderId: string, state: OrderState): Promise<void> =>
  eventually(async () => {
    const { order } = await clientOf(tenant, OrdersService).getOrder({ orderId });
    expect(order).toMatchObject({ state });
  });

test("both make a product of one SKU under one request id, each with its own price and stock", async () => {
  for (const tenant of shops) {
    const prices = [{ currencyCode: "EUR", minorUnits: price[tenant] }];
    const variants = [{ variant: { sku: "MUG", prices }, initialStock: stock[tenant] }];
    await clientOf(tenant, CatalogService).createProduct({ title: `Mug of ${tenant}`, requestId: "make-mug", variants });
  }
  for (const tenant of shops) {
    await eventually(async () => {
      const answer = await clientOf(tenant, InventoryService).getStock({ sku: "MUG" });
      expect(answer.stock).toMatchObject({ onHand: stock[tenant], reserved: 0n });
    });
    const { products } = await clientOf(tenant, CatalogService).listProducts({});
    expect(products.map(({ title }) => title)).toEqual([`Mug of ${tenant}`]);
  }
});

test("both place orders at the same moment under the same request ids, and all arrive", async () => {
  const asked = Array.from({ length: 12 }, (_, index) => ({
    tenant: shops[index % 2] ?? "demo",
    requestId: `req-${index >> 1}`,
  }));
  await Promise.all(asked.map(async ({ tenant, requestId }) => placed[tenant].push(await place(tenant, requestId))));
  expect(new Set([...placed.demo, ...placed.other]).size).toBe(12);
  // A repeat is the tenant's own order.
  for (const tenant of shops) expect(placed[tenant]).toContain(await place(tenant, "req-0"));
  for (const tenant of shops) for (const orderId of placed[tenant]) await reached(tenant, orderId, OrderState.DELIVERED);
  for (const tenant of shops) {
    const { stock: left } = await clientOf(tenant, InventoryService).getStock({ sku: "MUG" });
    expect(left).toMatchObject({ onHand: stock[tenant] - 6n, reserved: 0n });
    const { orders: listed } = await clientOf(tenant, OrdersService).listOrders({ customerId: "ada" });
    expect(listed.map(({ orderId }) => orderId).toSorted()).toEqual(placed[tenant].toSorted());
    expect(new Set(listed.map(({ subtotal }) => subtotal?.minorUnits))).toEqual(new Set([price[tenant]]));
  }
});

test("the stock of one shop sells out, the other's does not", async () => {
  expect((await refusal(place("other", "last", 2n))).reason).toBe("STOCK_UNAVAILABLE");
  await reached("demo", await place("demo", "more", 2n), OrderState.DELIVERED);
});

test("neither finds anything of the other", async () => {
  for (const [tenant, theirs] of [
    ["demo", placed.other[0] ?? ""],
    ["other", placed.demo[0] ?? ""],
  ] as const) {
    const asking = [
      () => clientOf(tenant, OrdersService).getOrder({ orderId: theirs }),
      () => clientOf(tenant, OrdersService).cancelOrder({ orderId: theirs }),
      () => clientOf(tenant, PaymentsService).getPayment({ orderId: theirs }),
      () => clientOf(tenant, InventoryService).getReservation({ orderId: theirs }),
      () => clientOf(tenant, ShippingService).getShipment({ orderId: theirs }),
    ];
    for (const ask of asking) expect((await refusal(ask())).code).toBe(Code.NotFound);
  }
});

test("a page token of one shop is refused to the other", async () => {
  const list = { customerId: "ada", pageSize: 2 };
  const { nextPageToken: pageToken } = await clientOf("demo", OrdersService).listOrders(list);
  expect(pageToken).not.toBe("");
  await expect(clientOf("demo", OrdersService).listOrders({ ...list, pageToken })).resolves.toBeDefined();
  const refused = await refusal(clientOf("other", OrdersService).listOrders({ ...list, pageToken }));
  expect(refused).toEqual({ code: Code.InvalidArgument, reason: "PAGE_TOKEN_INVALID" });
});

test("an event of one shop about an order of the other changes nothing of it", async () => {
  const [orderId = ""] = placed.demo;
  const before = await clientOf("demo", OrdersService).getOrder({ orderId });
  const { rows } = await admin.query<{ type: string; payload: Buffer }>(
    "select type_name as type, payload from orders.outbox where tenant_id = 'demo' and key = $1 and type_name like '%OrderReady'",
    [orderId],
  );
  const [event] = rows;
  if (!event) throw new Error("no event of the order");
  const given = headers();
  given.set("ce-id", "evt_forged");
  given.set("ce-type", event.type);
  given.set("ce-time", new Date().toISOString());
  given.set("ce-sequence", "2");
  await jetstream(connection).publish(`${event.type}.other.${orderId}`, event.payload, { headers: given });
  // Shipping makes a parcel of the tenant whose event it was, and none of the other's.
  await eventually(async () => {
    const { shipment } = await clientOf("other", ShippingService).getShipment({ orderId });
    expect(shipment?.orderId).toBe(orderId);
  });
  const after = await clientOf("demo", OrdersService).getOrder({ orderId });
  expect(after.order).toEqual(before.order);
  const parcels = await admin.query("select tenant_id from shipping.shipment where order_id = $1 order by 1", [orderId]);
  expect(parcels.rows).toEqual([{ tenant_id: "demo" }, { tenant_id: "other" }]);
});

test("the books of both agree, and every row is of one of them", async () => {
  const { report } = await clientOf("demo", OperationsService).runAudit({});
  expect(report).toMatchObject({ state: AuditState.CLEAN, violations: [] });
  for (const tenant of shops) {
    const ofOrders = await clientOf(tenant, OrdersAuditService).auditOrders({ pageSize: 100 });
    expect(ofOrders).toMatchObject({ discrepancies: [], rowsChecked: tenant === "demo" ? 7n : 6n });
    const ofPayments = await clientOf(tenant, PaymentsAuditService).auditPayments({ pageSize: 100 });
    expect(ofPayments).toMatchObject({ discrepancies: [] });
  }
  const { rows } = await admin.query<{ name: string }>(
    `select attrelid::regclass::text as name from pg_attribute join pg_class on pg_class.oid = attrelid
     where attname = 'tenant_id' and relkind = 'r' and not relispartition`,
  );
  // The auditor also follows the seals of the audit logs, which are of all shops together; work at set times is nobody's.
  for (const { name } of rows) {
    const read = await admin.query<{ tenant: string }>(`select distinct tenant_id as tenant from ${name}`);
    const known = ["demo", "other", "all", sealTenant, ...(name.endsWith("due_work") ? [noTenant] : [])];
    expect(known).toEqual(expect.arrayContaining(read.rows.map(({ tenant }) => tenant)));
  }
});
