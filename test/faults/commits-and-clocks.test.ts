// Fault 25: the answer to a COMMIT is lost, and clocks are an hour wrong. No effect twice, deadlines fire once.
import { Code, ConnectError } from "@connectrpc/connect";
import pg from "pg";
import { expect, test } from "vitest";
import { createTestDatabase } from "../support/database.ts";
import { OrderState, stockOf, testMesh, type Basket, type TestMesh } from "../support/mesh.ts";
import { testNats } from "../support/nats.ts";
import { startMeshProcess } from "../support/process.ts";
import { eventually, until } from "../support/until.ts";
import { lossyProxy } from "./lossy-proxy.ts";

/** As a client does that wants its order: the same request again after an answer that leaves the outcome open. */
async function placeUntilAnswered(mesh: TestMesh, basket: Basket): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return (await mesh.place(basket)).orderId;
    } catch (error) {
      const isOpen =
        error instanceof ConnectError && [Code.Unavailable, Code.Internal, Code.DeadlineExceeded].includes(error.code);
      if (!isOpen || attempt === 20) throw error;
    }
  }
}

test("fault 25: every seventh COMMIT loses its answer, in all services: each order once, stock and money exact", async () => {
  const database = await createTestDatabase();
  const proxy = await lossyProxy(database.url);
  const mesh = await testMesh({ DATABASE_URL: proxy.url });
  const books = new pg.Client({ connectionString: database.url });
  try {
    await books.connect();
    await mesh.product("MUG", { stock: 100 });
    proxy.loseEvery(7);
    const orderIds = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        placeUntilAnswered(mesh, { requestId: `lossy-${index}`, customerId: `buyer-${index}` }),
      ),
    );
    await until(() => proxy.lost() >= 20, { timeoutMs: 60_000 });
    proxy.loseEvery(0);
    expect(new Set(orderIds).size).toBe(40);
    for (const orderId of orderIds) await mesh.reached(orderId, OrderState.DELIVERED);
    await eventually(async () => expect(await stockOf(mesh, "MUG")).toEqual({ onHand: 60, reserved: 0, moved: 60 }));
    const count = async (statement: string): Promise<number> => Number((await books.query(statement)).rows[0]?.count);
    expect(await count("select count(*) from orders.orders")).toBe(40);
    await eventually(async () =>
      expect(await count("select count(*) from payments.sandbox_charge where captured_minor_units > 0")).toBe(40),
    );
    expect(await count("select count(*) from payments.sandbox_charge")).toBe(40);
  } finally {
    await mesh.close();
    await books.end();
    await proxy.close();
    await database.drop();
  }
}, 120_000);

test("fault 25: beside a process whose clock is an hour ahead no deadline fires early, and each fires once", async () => {
  const [database, nats] = await Promise.all([createTestDatabase(), testNats()]);
  const shared = { DATABASE_URL: database.url, ORDERMESH_ORDER_LIFE_SECONDS: "6" };
  // First, so that it has the due work.
  const ahead = await startMeshProcess({
    env: {
      ...shared,
      NATS_URL: nats.url,
      ORDERMESH_SEED: "none",
      ORDERMESH_TEST_FAULTS: "on",
      ORDERMESH_TEST_CLOCK_OFFSET_MS: "3600000",
    },
  });
  const mesh = await testMesh(shared, nats);
  const books = new pg.Client({ connectionString: database.url });
  try {
    await books.connect();
    await mesh.product("HOUSE", { stock: 10, minorUnits: 600_000 });
    // So large that a person must look; nobody does.
    const order = await mesh.place({ items: [{ sku: "HOUSE", quantity: 1n }] });
    const placedMs = performance.now();
    await mesh.reached(order.orderId, OrderState.CANCELLED);
    expect(performance.now() - placedMs).toBeGreaterThan(4_500);
    const { order: ended } = await mesh.orders.getOrder({ orderId: order.orderId });
    expect(ended?.cancelReason).toBe("EXPIRED");
    await eventually(async () => expect((await stockOf(mesh, "HOUSE")).reserved).toBe(0));
    const told = await books.query("select type_name from orders.outbox where key = $1 and type_name like '%OrderCancelled'", [
      order.orderId,
    ]);
    expect(told.rows.length).toBe(1);
  } finally {
    await ahead.end("SIGKILL");
    await mesh.close();
    await books.end();
    await database.drop();
  }
}, 120_000);
