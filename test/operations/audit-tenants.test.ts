// The auditor goes through the books of every tenant: what is planted in a second one's is found, told and mended as in the
// first's, and each sees its own.
import { createClient, type Client, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { DescService } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { TenantService } from "#gen/ordermesh/identity/v1/tenant_service_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { ReservationState } from "#gen/ordermesh/inventory/v1/stock_pb.ts";
import { AuditState } from "#gen/ordermesh/operations/v1/audit_report_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { OrderState } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { clientTokens } from "../../tools/operator.ts";
import { bearer } from "../../tools/bearer.ts";
import { openForge } from "../access/forge.ts";
import { refusal } from "../support/refusal.ts";
import { eventually as eventuallyWithin } from "../support/until.ts";
import { auditBench, patience, type AuditBench } from "./audit-bench.ts";

let bench: AuditBench;
let second: <Desc extends DescService>(service: Desc) => Client<Desc>;
const orders = { delivered: "", held: "" };

const eventually = (assert: () => Promise<void>): Promise<void> => eventuallyWithin(assert, patience);

const transportBy = (interceptor: Interceptor) =>
  createConnectTransport({ baseUrl: bench.mesh.rpcUrl, httpVersion: "2", interceptors: [interceptor] });

async function product(clientOf: typeof second, sku: string): Promise<void> {
  const prices = [{ currencyCode: "EUR", minorUnits: 1_000n }];
  await clientOf(CatalogService).createProduct({ title: sku, variants: [{ variant: { sku, prices }, initialStock: 100n }] });
  await eventually(async () => {
    const { stock } = await clientOf(InventoryService).getStock({ sku });
    expect(stock?.onHand).toBe(100n);
  });
}

async function place(quantity = 1n): Promise<string> {
  const items = [{ sku: "MUG", quantity }];
  const basket = { customerId: "ada", currency: "EUR", paymentToken: "tok_success", items };
  const { order } = await second(OrdersService).placeOrder(basket);
  return order?.orderId ?? "";
}

const reached = (orderId: string, state: OrderState): Promise<void> =>
  eventually(async () => expect((await second(OrdersService).getOrder({ orderId })).order?.state).toBe(state));

beforeAll(async () => {
  bench = await auditBench();
  const { clientId, clientSecret } = await bench.mesh.client(TenantService).createTenant({ tenantId: "second" });
  const token = clientTokens({ rpcUrl: bench.mesh.rpcUrl, clientId, clientSecret });
  const transport = transportBy(bearer(token));
  second = (service) => createClient(service, transport);
  await Promise.all([bench.mesh.product("MUG"), product(second, "MUG")]);
  const { orderId } = await bench.mesh.place();
  // Shipping has heard of the shop a moment after it was made.
  await eventually(async () => void (orders.delivered = await place(2n)));
  await reached(orders.delivered, OrderState.DELIVERED);
  await bench.mesh.reached(orderId, OrderState.DELIVERED);
}, 60_000);

afterAll(() => bench?.close());

const clean = (): Promise<void> =>
  eventually(async () => {
    const { state, violations, suspects } = await bench.runAudit();
    const seen = violations.map(({ tenant, check, key }) => ({ tenant, check, key }));
    expect({ state, seen, suspects }).toEqual({ state: AuditState.CLEAN, seen: [], suspects: 0n });
  });

const violationsOf = async (check: string): Promise<{ tenant: string; key: string }[]> =>
  (await bench.runAudit()).violations.filter((one) => one.check === check).map(({ tenant, key }) => ({ tenant, key }));

const ofSecond = "tenant_id = 'second'";
const add = (table: string, column: string, by: number, where: string): string =>
  `update ${table} set ${column} = ${column} + ${by} where ${ofSecond} and ${where}`;

test("the books of both are clean, and the report counts the rows of both", async () => {
  await clean();
  const { checks } = await bench.runAudit();
  expect(checks.every(({ lastCompleteTime }) => lastCompleteTime !== undefined)).toBe(true);
  const tenants = await bench.query("select tenant_id, is_registered from operations.audited_tenant order by 1");
  expect(tenants).toEqual([
    { tenant_id: "demo", is_registered: true },
    { tenant_id: "second", is_registered: true },
  ]);
  const rows = await bench.query<{ tenant_id: string }>(
    "select tenant_id from operations.audit_check where check_name = 'orders.total' and rows_checked > 0 order by 1",
  );
  expect(rows.map((row) => row.tenant_id)).toEqual(["demo", "second"]);
});

describe("an error in the books of the second tenant", () => {
  test.each([
    { check: "stock.on_hand", key: () => "MUG", plant: (by: number) => add("inventory.stock", "on_hand", by, "sku = 'MUG'") },
    {
      check: "money.ledger",
      key: () => orders.delivered,
      plant: (by: number) => add("payments.ledger_entry", "amount_minor_units", by, "type = 'CAPTURE'"),
    },
    {
      check: "orders.total",
      key: () => orders.delivered,
      plant: (by: number) => add("orders.order_item", "unit_price", by, "true"),
    },
    {
      check: "orders.money",
      key: () => orders.delivered,
      plant: (by: number) => add("payments.payment", "captured_minor_units", -by, "true"),
    },
  ])("$check is found as its own, and cleared when it is mended", async ({ check, key, plant }) => {
    await bench.sql(plant(1));
    await eventually(async () => expect(await violationsOf(check)).toEqual([{ tenant: "second", key: key() }]));
    // Its operator sees it; nobody else's is among what it sees.
    const { report } = await second(OperationsService).getAuditReport({});
    expect(report?.state).toBe(AuditState.VIOLATED);
    expect(new Set(report?.violations.map(({ tenant }) => tenant))).toEqual(new Set(["second"]));
    const violationId = report?.violations.find((violation) => violation.check === check)?.violationId;
    await bench.sql(plant(-1));
    await eventually(async () => expect(await violationsOf(check)).toEqual([]));
    await clean();
    const told = await bench.query<{ type: string }>(
      `select split_part(type_name, '.', 5) as type from operations.outbox where ${ofSecond} and key = '${violationId}' order by id`,
    );
    expect(told.map(({ type }) => type)).toEqual(["AuditViolationFound", "AuditViolationCleared"]);
  });
});

test("an operator of the second tenant sees nothing of the first one's books, and may not have all audited", async () => {
  await bench.sql("update inventory.stock set on_hand = on_hand + 1 where tenant_id = 'demo'");
  await eventually(async () => expect(await violationsOf("stock.on_hand")).toEqual([{ tenant: "demo", key: "MUG" }]));
  const { report } = await second(OperationsService).getAuditReport({});
  expect(report).toMatchObject({ state: AuditState.CLEAN, violations: [], violationsOpen: 0n });
  expect(report?.checks.map(({ check }) => check)).not.toContain("work.overdue");
  expect((await refusal(second(OperationsService).runAudit({}))).reason).toBe("INSTALLATION_ONLY");
  await bench.sql("update inventory.stock set on_hand = on_hand - 1 where tenant_id = 'demo'");
  await clean();
});

test("what is stranded in the second tenant's books is given back, and the report says whose it was", async () => {
  orders.held = await place();
  await reached(orders.held, OrderState.PENDING_SHIPMENT);
  const reservation = async () => (await second(InventoryService).getReservation({ orderId: orders.held })).reservation?.state;
  await eventually(async () => expect(await reservation()).toBe(ReservationState.FIRM));
  // The parcel stays where it is: nobody brings it on.
  await bench.sql(
    `delete from shipping.due_work where key = '${orders.held}'`,
    `update orders.orders set state = 'cancelled', cancel_reason = 'EXPIRED' where order_id = '${orders.held}'`,
    `insert into orders.order_timeline (tenant_id, order_id, sequence, state, reason, time)
     select tenant_id, order_id, max(sequence) + 1, 'cancelled', 'EXPIRED', now() from orders.order_timeline
     where order_id = '${orders.held}' group by tenant_id, order_id`,
  );
  await eventually(async () => {
    expect(await reservation()).toBe(ReservationState.RELEASED);
    const { sweeps } = await bench.runAudit();
    expect(sweeps.filter(({ orderId }) => orderId === orders.held)).toEqual(
      expect.arrayContaining([expect.objectContaining({ tenant: "second", action: "RELEASE_HOLD", problem: "" })]),
    );
  });
});

test("books of a tenant that nobody has made are said to be so, audited too, and are in order once it is made", async () => {
  const { sign } = await openForge(bench.mesh);
  const scope = "catalog:read catalog:write inventory:read";
  const transport = transportBy(bearer(await sign({ claims: { tenant: "stranger", scope } })));
  await product((service) => createClient(service, transport), "CUP");
  await eventually(async () => expect(await violationsOf("tenants.registered")).toEqual([{ tenant: "demo", key: "stranger" }]));
  await bench.sql("update inventory.stock set on_hand = on_hand + 1 where sku = 'CUP'");
  await eventually(async () => expect(await violationsOf("stock.on_hand")).toEqual([{ tenant: "stranger", key: "CUP" }]));
  await bench.sql("update inventory.stock set on_hand = on_hand - 1 where sku = 'CUP'");
  await bench.mesh.client(TenantService).createTenant({ tenantId: "stranger" });
  await eventually(async () => {
    expect(await violationsOf("tenants.registered")).toEqual([]);
    expect(await violationsOf("stock.on_hand")).toEqual([]);
  });
});
