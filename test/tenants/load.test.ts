// Two shops at work at the same time on one mesh, with the same SKUs, the same request ids and the same customers, and less stock
// than is asked for: each one's books are exact by themselves, and neither sees anything of the other.
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TenantService } from "#gen/ordermesh/identity/v1/tenant_service_pb.ts";
import { AuditState } from "#gen/ordermesh/operations/v1/audit_report_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { OrderState, type Order } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { bearer } from "../../tools/bearer.ts";
import { clientTokens } from "../../tools/operator.ts";
import { testMesh, type TestMesh } from "../support/mesh.ts";
import { eventually } from "../support/until.ts";
import { customers, isFinal, openShop, sku, type Shop } from "./shop-load.ts";

const ordersEach = 320;
const atOnce = 24;
const patience = { timeoutMs: 120_000 };

let mesh: TestMesh;
let shops: Shop[];
const listed = new Map<string, Order[]>();
const ordersOf = ({ tenant }: Shop): Order[] => listed.get(tenant) ?? [];

beforeAll(async () => {
  mesh = await testMesh({
    // Long enough for some cancellations to come first.
    ORDERMESH_CARRIER_DISPATCH_MS: "800",
    // What is asked here is who has what, and not how much a busy machine takes on.
    ORDERMESH_BACKLOG_MS_MAX: "60000",
    ORDERMESH_AUDIT_EVERY_MS: "250",
    ORDERMESH_AUDIT_GRACE_MS: "2000",
  });
  const { rpcUrl, edgeUrl } = mesh;
  const { clientId, clientSecret } = await mesh.client(TenantService).createTenant({ tenantId: "second" });
  const token = clientTokens({ rpcUrl, clientId, clientSecret });
  // Prices and stock differ, so that what is taken from the wrong shop shows.
  shops = [
    openShop({ tenant: "demo", rpcUrl, edgeUrl, token: mesh.token, minorUnits: 1_000, stock: { SCARCE: 90, PLENTY: 2_000 } }),
    openShop({ tenant: "second", rpcUrl, edgeUrl, token, minorUnits: 2_500, stock: { SCARCE: 61, PLENTY: 1_500 } }),
  ];
  await Promise.all(shops.map((shop) => shop.open()));
  await Promise.all(shops.map(placeAll));
  await eventually(() => Promise.all(shops.map(listFinal)).then(() => {}), patience);
}, 240_000);

afterAll(() => mesh?.close());

async function listFinal(shop: Shop): Promise<void> {
  const orders = await shop.orders();
  const open = orders.filter((order) => !isFinal(order));
  if (open.length > 0) throw new Error(`${open.length} orders of ${shop.tenant} are not at their end`);
  listed.set(shop.tenant, orders);
}

/** So many callers, each of which takes the next number. */
async function placeAll(shop: Shop): Promise<void> {
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < ordersEach) await shop.order(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, caller));
}

const unitsOf = (orders: readonly Order[], wanted: string): number =>
  orders.flatMap(({ items }) => items).reduce((sum, item) => sum + (item.sku === wanted ? Number(item.quantity) : 0), 0);

describe.each([0, 1])("shop %i", (number) => {
  const shop = (): Shop => shops[number] as Shop;

  test("has one order for each request id that was accepted, and no other", () => {
    const asked = [...shop().asked.values()];
    expect(asked).toHaveLength(ordersEach);
    expect(asked.filter(({ orderIds }) => orderIds.size > 1)).toEqual([]);
    const accepted = asked.flatMap(({ orderIds }) => [...orderIds]);
    expect(
      ordersOf(shop())
        .map(({ orderId }) => orderId)
        .toSorted(),
    ).toEqual(accepted.toSorted());
    const refusals = asked.flatMap((entry) => [...entry.refusals]);
    expect(refusals.filter((reason) => reason !== "STOCK_UNAVAILABLE")).toEqual([]);
  });

  test("has all fates, and was sold out", () => {
    const orders = ordersOf(shop());
    const reasons = new Set(orders.map(({ cancelReason }) => cancelReason));
    expect(reasons).toEqual(new Set([...reasons, "PAYMENT_DECLINED", "CANCELLED_BY_REQUEST", "OUT_OF_STOCK"]));
    expect(orders.some(({ state }) => state === OrderState.DELIVERED)).toBe(true);
  });

  test.each(Object.values(sku))("has exact stock of %s, and never sold more than there was", async (name) => {
    const delivered = ordersOf(shop()).filter(({ state }) => state === OrderState.DELIVERED);
    const sold = unitsOf(delivered, name);
    const first = shop().stock[name] ?? 0;
    expect(sold).toBeLessThanOrEqual(first);
    expect(await shop().onHand(name)).toEqual({ onHand: first - sold, reserved: 0, moved: first - sold });
  });

  test("took its own price for every unit", () => {
    for (const { items, subtotal } of ordersOf(shop())) {
      const units = items.reduce((sum, { quantity }) => sum + quantity, 0n);
      expect(subtotal?.minorUnits).toBe(units * BigInt(shop().minorUnits));
    }
  });

  test("lists of a customer who is in both have the orders of this shop alone", async () => {
    for (const customerId of ["customer-3", `customer-${customers - 1}`]) {
      const own = [...shop().asked.values()].filter((entry) => entry.customerId === customerId);
      const ids = (await shop().orders(customerId)).map(({ orderId }) => orderId);
      expect(ids.toSorted()).toEqual(own.flatMap(({ orderIds }) => [...orderIds]).toSorted());
      expect(ids.length).toBeGreaterThan(0);
    }
  });

  test("watches its own orders to their end, and none of the other shop's", async () => {
    const [own, theirs] = [ordersOf(shop())[0], ordersOf(shops[1 - number] as Shop)[0]];
    const states: OrderState[] = [];
    for await (const { entry } of shop()
      .client(OrdersService)
      .watchOrder({ orderId: own?.orderId ?? "" })) {
      if (entry) states.push(entry.state);
    }
    expect(states.at(-1)).toBe(own?.state);
    const watching = async (): Promise<void> => {
      for await (const _ of shop()
        .client(OrdersService)
        .watchOrder({ orderId: theirs?.orderId ?? "" }));
    };
    await expect(watching()).rejects.toThrow(/not_found/);
  });
});

test("the auditor finds the books of both clean, and says so to each", async () => {
  await eventually(async () => {
    const { report } = await mesh.client(OperationsService).runAudit({});
    expect(report).toMatchObject({ state: AuditState.CLEAN, violations: [], suspects: 0n });
  }, patience);
  for (const { tenant, rpcUrl, token } of shops) {
    const transport = createConnectTransport({ baseUrl: rpcUrl, httpVersion: "2", interceptors: [bearer(token)] });
    const { report } = await createClient(OperationsService, transport).getAuditReport({});
    expect({ tenant, state: report?.state }).toEqual({ tenant, state: AuditState.CLEAN });
  }
});

test("every row that was written is one shop's, and no order is in both", async () => {
  const db = new pg.Client({ connectionString: mesh.databaseUrl });
  await db.connect();
  const { rows } = await db.query<{ tenant: string; orders: number }>(
    "select tenant_id as tenant, count(*)::int as orders from orders.orders group by 1 order by 1",
  );
  expect(rows).toEqual(shops.map((shop) => ({ tenant: shop.tenant, orders: ordersOf(shop).length })));
  for (const table of ["inventory.reservation", "payments.payment", "shipping.shipment", "fraud.assessment"]) {
    const strange = await db.query(
      `select order_id from ${table} other where not exists (
         select from orders.orders where orders.order_id = other.order_id and orders.tenant_id = other.tenant_id
       )`,
    );
    expect({ table, strange: strange.rows }).toEqual({ table, strange: [] });
  }
  await db.end();
});

test("a shop that is shut is refused everywhere within a second, by RPC and by REST, and the other works on", async () => {
  const [first, second] = shops as [Shop, Shop];
  const token = await second.token();
  await mesh.client(TenantService).disableTenant({ tenantId: second.tenant });
  await eventually(async () => {
    const answer = await fetch(`${mesh.edgeUrl}/v1/orders`, { headers: { authorization: `Bearer ${token}` } });
    expect([answer.status, await answer.text()]).toEqual([401, expect.stringContaining("TOKEN_REVOKED")]);
  });
  await expect(second.client(OrdersService).listOrders({})).rejects.toThrow(/revoked/);
  expect((await first.orders()).length).toBe(ordersOf(first).length);
});
