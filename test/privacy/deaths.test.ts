// The process dies at a step of an erasure, and the next one goes on with it.
import { once } from "node:events";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import type { MeshProcess } from "../support/process.ts";
import { eventually } from "../support/until.ts";
import { ask, startDyingMesh } from "../faults/dying-mesh.ts";
import { findTraces, person } from "./marked-person.ts";

let database: TestDatabase;
let nats: TestNats;
let mesh: MeshProcess | undefined;

beforeAll(async () => {
  [database, nats] = await Promise.all([createTestDatabase(), testNats()]);
  mesh = await start();
});
afterAll(async () => {
  await mesh?.end("SIGKILL");
  await nats?.stop();
  await database?.drop();
});

const start = () => startDyingMesh({ databaseUrl: database.url, natsUrl: nats.url });

/** A customer with a profile, an address and an order that is delivered. */
async function buy(customerId: string): Promise<void> {
  await ask(mesh, `/v1/customers/${customerId}/addresses`, { label: person.label, address: person.address });
  const basket = { customerId, currency: "EUR", paymentToken: "tok_success", items: [{ sku: "MUG-BLUE", quantity: "1" }] };
  const { orderId } = await ask<{ orderId: string }>(mesh, "/v1/orders", { ...basket, shippingAddress: person.address });
  await eventually(async () => {
    expect(await ask(mesh, `/v1/orders/${orderId}`)).toMatchObject({ state: "ORDER_STATE_DELIVERED" });
  });
}

const erase = (customerId: string) => ask(mesh, `/v1/customers/${customerId}:erase`, { reason: "ERASURE_REASON_OBJECTION" });

/** How often it was told that the customer is erased, and that its order is. */
async function toldOf(customerId: string): Promise<number[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    const customers = await client.query("select from customers.outbox where key = $1 and type_name like '%.CustomerErased'", [
      customerId,
    ]);
    const orders = await client.query(
      `select from orders.outbox where type_name like '%.OrderErased'
         and key in (select order_id from orders.orders where customer_id = $1)`,
      [customerId],
    );
    return [customers.rows.length, orders.rows.length];
  } finally {
    await client.end();
  }
}

test.each([
  "customers.erase:before_commit",
  "customers.erase:after_commit",
  "orders.erase:before_ack",
  "orders.erase_customer:before_commit#2",
  "identity.erase:after_commit",
  "shipping.erase:before_commit",
  "customers.check_erasure:after_commit",
])(
  "at %s: the erasure is done all the same, once",
  async (crashAt) => {
    const customerId = crashAt.replaceAll(/[^a-z]/g, "-");
    if (!mesh) throw new Error("no mesh is running");
    await buy(customerId);
    expect(await findTraces(database.url)).not.toEqual([]);

    const died = once(mesh.child, "exit");
    mesh.arm(crashAt);
    // The answer may get lost with the process.
    await erase(customerId).catch(() => {});
    await died;
    expect(mesh.child.signalCode).toBe("SIGKILL");

    mesh = await start();
    await erase(customerId);
    await eventually(async () => {
      const erasure = await ask(mesh, `/v1/customers/${customerId}/erasure`);
      expect(erasure).toMatchObject({ state: "ERASURE_STATE_DONE" });
    });
    expect(await findTraces(database.url)).toEqual([]);
    expect(await toldOf(customerId)).toEqual([1, 1]);
  },
  90_000,
);
