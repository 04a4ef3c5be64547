// Whoever changes an order, or receives what comes back of it, dies after its commit, in the due work that goes on, and with the others' yes in hand: each change happens once, and stock, parcel and money are what the order has become.
import { once } from "node:events";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import type { MeshProcess } from "../support/process.ts";
import { eventually, until } from "../support/until.ts";
import { ask, startDyingMesh } from "./dying-mesh.ts";

let database: TestDatabase;
let nats: TestNats;
let db: pg.Client;
let mesh: MeshProcess | undefined;

beforeAll(async () => {
  [database, nats] = await Promise.all([createTestDatabase(), testNats()]);
  db = new pg.Client({ connectionString: database.url });
  await db.connect();
});

afterAll(async () => {
  await mesh?.end("SIGKILL");
  await db.end();
  await nats.stop();
  await database.drop();
});

const env = { ORDERMESH_CARRIER_DISPATCH_MS: "600000", ORDERMESH_ORDER_LIFE_SECONDS: "600" };
const start = (crashAt: string) => startDyingMesh({ databaseUrl: database.url, natsUrl: nats.url }, { crashAt, env });
/** Dies of work that was left to it, maybe before it has said that it is ready. */
const startToDie = async (crashAt: string) => dead(await start(crashAt).catch(() => undefined));

async function dead(process: MeshProcess | undefined): Promise<void> {
  if (process?.child.exitCode === null && process.child.signalCode === null) await once(process.child, "exit");
}

interface Order {
  orderId: string;
  state: string;
  total: { minorUnits: string };
  items: { sku: string; quantity: string }[];
  lastChange?: { changeId: string; state: string };
}

const read = (orderId: string) => ask<Order>(mesh, `/v1/orders/${orderId}`);
const preview = (orderId: string, wish: object) =>
  ask<{ token: string }>(mesh, `/v1/orders/${orderId}/changes:preview`, { wish });
const rowsOf = async (text: string, key: string): Promise<Record<string, unknown>[]> => (await db.query(text, [key])).rows;

test("an order is changed once by each change, however often somebody dies of it", async () => {
  mesh = await start("orders.confirm_change:after_commit");
  const items = [{ sku: "MUG-BLUE", quantity: "3" }];
  const { orderId } = await ask<Order>(mesh, "/v1/orders", {
    customerId: "ada",
    currency: "EUR",
    paymentToken: "tok_success",
    items,
  });
  await until(async () => (await read(orderId)).state === "ORDER_STATE_PENDING_SHIPMENT");
  await until(async () => (await rowsOf("select from shipping.shipment where order_id = $1", orderId)).length === 1);
  await until(
    async () =>
      (await rowsOf("select from orders.order_services where order_id = $1 and shipment_status = 'created'", orderId)).length ===
      1,
  );

  const wish = { lines: [{ sku: "MUG-BLUE", quantity: "2" }] };
  const { token } = await preview(orderId, wish);
  const request = { wish, token, requestId: "change-1" };
  const confirm = () => ask(mesh, `/v1/orders/${orderId}/changes`, request).catch(() => undefined);
  await confirm();
  await dead(mesh);
  await startToDie("orders.change:before_commit");
  mesh = await start("");
  await eventually(async () => expect((await read(orderId)).lastChange?.state).toBe("ORDER_CHANGE_STATE_APPLIED"));
  // The repeat of a request that was never answered.
  expect(await ask(mesh, `/v1/orders/${orderId}/changes`, request)).toMatchObject({ state: "ORDER_CHANGE_STATE_APPLIED" });

  const more = {
    lines: [
      { sku: "MUG-BLUE", quantity: "1" },
      { sku: "TEE-RED-M", quantity: "0" },
    ],
  };
  const second = await preview(orderId, more);
  mesh?.arm("orders.prepare_change:after_provider");
  await ask(mesh, `/v1/orders/${orderId}/changes`, { wish: more, token: second.token, requestId: "change-2" }).catch(
    () => undefined,
  );
  await dead(mesh);
  mesh = await start("");
  await eventually(async () => expect((await read(orderId)).items).toMatchObject([{ quantity: "1" }]));
  await eventually(async () => {
    const held = await rowsOf("select change_id from shipping.parcel_hold where order_id = $1 and end_time is null", orderId);
    const lines = await rowsOf("select sku, quantity from inventory.reservation_line where order_id = $1", orderId);
    expect({ held, lines }).toEqual({ held: [], lines: [{ sku: "MUG-BLUE", quantity: "1" }] });
  });
  const told = await rowsOf("select from orders.outbox where key = $1 and type_name like '%.OrderChanged'", orderId);
  expect(told).toHaveLength(2);

  await db.query("update shipping.due_work set due_time = now() where key = $1", [orderId]);
  await until(async () => (await read(orderId)).state === "ORDER_STATE_DELIVERED");
  const { total } = await read(orderId);
  await eventually(async () => {
    const [payment] = await rowsOf("select captured_minor_units as captured from payments.payment where order_id = $1", orderId);
    expect(payment).toEqual({ captured: total.minorUnits });
  });
  const [left] = await rowsOf("select quantity from inventory.stock_movement where order_id = $1", orderId);
  expect(left).toEqual({ quantity: "-1" });
  await comeBack(orderId);
}, 180_000);

/**
 * All of it comes back, and something else is wanted: it is paid back and booked in once, and one order is placed, though whoever receives
 * it dies before it says so, and whoever places the order before it knows of it.
 */
async function comeBack(orderId: string): Promise<void> {
  const lines = [{ sku: "MUG-BLUE", quantity: "1" }];
  const exchange = { items: [{ sku: "MUG-BLUE", quantity: "2" }], paymentToken: "tok_success" };
  const path = `/v1/orders/${orderId}/returns`;
  const { returnId } = await ask<{ returnId: string }>(mesh, path, { lines, requestId: "return-1", exchange });
  await ask(mesh, `${path}/${returnId}:approve`, {});
  mesh?.arm("orders.receive_return:after_commit");
  const receive = () => ask(mesh, `${path}/${returnId}:receive`, { lines: [{ sku: "MUG-BLUE", accepted: "1", restocked: "1" }] });
  await receive().catch(() => undefined);
  await dead(mesh);
  await startToDie("orders.exchange:after_provider");
  mesh = await start("");
  expect(await receive()).toMatchObject({ state: "RETURN_STATE_RECEIVED" });
  await until(async () => (await rowsOf("select from orders.orders where exchange_of_return_id = $1", returnId)).length === 1);
  const { items, total } = await read(orderId);
  expect(items).toMatchObject([{ quantity: "1" }]);
  await eventually(async () => {
    const [payment] = await rowsOf("select refunded_minor_units as refunded from payments.payment where order_id = $1", orderId);
    const [order] = await rowsOf("select subtotal from orders.orders where order_id = $1", orderId);
    expect(payment?.["refunded"]).toBe(order?.["subtotal"]);
    expect(Number(payment?.["refunded"])).toBeLessThan(Number(total.minorUnits));
    const moved = await rowsOf(
      "select type, quantity from inventory.stock_movement where order_id = $1 order by movement_id",
      orderId,
    );
    expect(moved).toEqual([
      { type: "SHIPMENT", quantity: "-1" },
      { type: "RETURN", quantity: "1" },
    ]);
  });
  const { returns } = await ask<{ returns: { exchange: { orderId: string; state: string } }[] }>(mesh, path);
  const [instead] = await rowsOf(
    "select order_id, exchange_of_return_id as of from orders.orders where request_id = $1",
    returnId,
  );
  expect(instead).toEqual({ order_id: returns[0]?.exchange.orderId, of: returnId });
  expect(await rowsOf("select from orders.orders where request_id = $1", returnId)).toHaveLength(1);
}
