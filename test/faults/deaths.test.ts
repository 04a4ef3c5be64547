// A process dies between a commit and what should follow it, and the next one goes on.
import pg from "pg";
import { expect, test } from "vitest";
import { createTestDatabase } from "../support/database.ts";
import { testNats } from "../support/nats.ts";
import type { MeshProcess } from "../support/process.ts";
import { eventually, until } from "../support/until.ts";
import { startDyingMesh } from "./dying-mesh.ts";

const sku = "MUG-BLUE";
const unitsAtFirst = 500;

async function place(mesh: MeshProcess): Promise<Response | undefined> {
  const items = [{ sku, quantity: "1" }];
  const body = JSON.stringify({ customerId: "ada", currency: "EUR", paymentToken: "tok_success", items });
  const headers = { "content-type": "application/json", "idempotency-key": "the-one-order" };
  // A process that dies answers nothing.
  return mesh.fetch("/v1/orders", { method: "POST", headers, body }).catch(() => undefined);
}

test.each([
  { fault: "fault 1: killed between commit and publish", crashAt: "orders.relay:before_publish" },
  { fault: "fault 2: killed between the publish's acknowledgement and its mark", crashAt: "orders.relay:after_publish" },
  { fault: "fault 10: killed after the commit and before the acknowledgement", crashAt: "inventory.settle:before_ack" },
])(
  "$fault: the order is placed once, goes its way, and each event has one effect",
  async ({ crashAt }) => {
    const [database, nats] = await Promise.all([createTestDatabase(), testNats()]);
    const books = new pg.Client({ connectionString: database.url });
    const start = (at: string): Promise<MeshProcess> =>
      startDyingMesh({ databaseUrl: database.url, natsUrl: nats.url }, { crashAt: at });
    let mesh: MeshProcess | undefined;
    try {
      await books.connect();
      mesh = await start(crashAt);
      const dying = mesh;
      await place(dying);
      await until(() => dying.child.signalCode === "SIGKILL");
      mesh = await start("");
      const alive = mesh;
      const answer = await place(alive);
      if (!answer) throw new Error("the process that was started again does not answer");
      const { orderId } = (await answer.json()) as { orderId: string };
      await eventually(async () => {
        const order = (await (await alive.fetch(`/v1/orders/${orderId}`)).json()) as { state: string };
        expect(order.state).toBe("ORDER_STATE_DELIVERED");
      });
      expect((await books.query("select from orders.orders")).rowCount).toBe(1);
      const { rows } = await books.query<{ onHand: string; moved: string }>(
        `select on_hand as "onHand", (select sum(quantity) from inventory.stock_movement m where m.sku = stock.sku) as moved
         from inventory.stock where sku = $1`,
        [sku],
      );
      expect(Number(rows[0]?.onHand)).toBe(unitsAtFirst - 1);
      expect(Number(rows[0]?.moved)).toBe(unitsAtFirst - 1);
      const charges = await books.query("select from payments.sandbox_charge");
      expect(charges.rowCount).toBe(1);
    } finally {
      await mesh?.end("SIGKILL");
      await books.end();
      await nats.stop();
      await database.drop();
    }
  },
  120_000,
);
