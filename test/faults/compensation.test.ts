// Fault 24: giving back fails, and then the process dies in the middle of it.
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import type { MeshProcess } from "../support/process.ts";
import { eventually, until } from "../support/until.ts";
import { ask, startDyingMesh } from "./dying-mesh.ts";

let database: TestDatabase;
let nats: TestNats;
let mesh: MeshProcess | undefined;
let books: pg.Client;

beforeAll(async () => {
  [database, nats] = await Promise.all([createTestDatabase(), testNats()]);
  books = new pg.Client({ connectionString: database.url });
  await books.connect();
});

afterAll(async () => {
  await mesh?.end("SIGKILL");
  await books.end();
  await nats.stop();
  await database.drop();
});

const start = (crashAt = ""): Promise<MeshProcess> =>
  startDyingMesh(
    { databaseUrl: database.url, natsUrl: nats.url },
    { crashAt, env: { ORDERMESH_CARRIER_DISPATCH_MS: "3600000" } },
  );

const first = async <Row>(statement: string, ...values: string[]): Promise<Row | undefined> =>
  (await books.query(statement, values)).rows[0] as Row | undefined;

test("fault 24: a void that fails and dies in the middle is finished after the restart, once; stock and money both come back", async () => {
  mesh = await start();
  const { orderId } = await ask<{ orderId: string }>(mesh, "/v1/orders", {
    customerId: "ada",
    currency: "EUR",
    paymentToken: "tok_success",
    items: [{ sku: "MUG-BLUE", quantity: "1" }],
  });
  const stateOf = async (): Promise<string> => (await ask<{ state: string }>(mesh, `/v1/orders/${orderId}`)).state;
  await until(async () => (await stateOf()) === "ORDER_STATE_PENDING_SHIPMENT");
  // The provider cannot write its books: every void fails.
  await books.query(`
    create function payments.refuse() returns trigger language plpgsql as $$ begin raise exception 'out of order'; end $$;
    create trigger refuse before update on payments.sandbox_charge for each row execute function payments.refuse()`);
  await ask(mesh, `/v1/orders/${orderId}:cancel`, { reason: "changed my mind" });
  await until(async () => {
    const due = await first<{ attempt: number }>(
      "select attempt from payments.due_work where key = $1 and kind = 'payments.void'",
      orderId,
    );
    return (due?.attempt ?? 0) >= 2;
  });
  await mesh.end("SIGKILL");
  await books.query("drop trigger refuse on payments.sandbox_charge");
  // The provider has said yes, and nobody has written it down.
  const dying = await start("payments.void:after_provider").catch(() => undefined);
  if (dying) await until(() => dying.child.signalCode === "SIGKILL", { timeoutMs: 30_000 });
  const charge = await first<{ voided: number; captured: number }>(
    "select voided_minor_units::integer as voided, captured_minor_units::integer as captured from payments.sandbox_charge",
  );
  expect(charge?.voided).toBeGreaterThan(0);
  const before = await first<{ state: string }>("select state from payments.payment where order_id = $1", orderId);
  expect(before?.state).toBe("AUTHORIZED");

  mesh = await start();
  await until(
    async () =>
      (await first<{ state: string }>("select state from payments.payment where order_id = $1", orderId))?.state === "VOIDED",
  );
  await eventually(async () => {
    const stock = await first<{ reserved: string }>("select reserved from inventory.stock where sku = 'MUG-BLUE'");
    expect(Number(stock?.reserved)).toBe(0);
  });
  expect(await stateOf()).toBe("ORDER_STATE_CANCELLED");
  const after = await first<{ voids: number }>(
    "select count(*)::integer as voids from payments.ledger_entry where type = 'VOID'",
  );
  expect(after?.voids).toBe(1);
  const finalCharge = await first<typeof charge>(
    "select voided_minor_units::integer as voided, captured_minor_units::integer as captured from payments.sandbox_charge",
  );
  expect(finalCharge).toEqual(charge);
  expect(finalCharge?.captured).toBe(0);
}, 180_000);

test("a buyer's payment that is given up as the process dies is given up once, and then nobody can go on with it", async () => {
  await mesh?.end("SIGKILL");
  const dying = await start("payments.close:after_provider");
  const { orderId } = await ask<{ orderId: string }>(dying, "/v1/orders", {
    customerId: "ada",
    currency: "EUR",
    paymentToken: "tok_3ds",
    items: [{ sku: "MUG-BLUE", quantity: "1" }],
  });
  const stateOf = async (): Promise<string | undefined> =>
    (await first<{ state: string }>("select state from payments.payment where order_id = $1", orderId))?.state;
  await until(async () => (await stateOf()) === "ACTION_REQUIRED");
  const { action } = await ask<{ action: { clientSecret: string } }>(dying, `/v1/orders/${orderId}/payment`);
  // The process may be gone before it has answered.
  await ask(dying, `/v1/orders/${orderId}:cancel`, { reason: "changed my mind" }).catch(() => {});
  await until(() => dying.child.signalCode === "SIGKILL", { timeoutMs: 30_000 });
  expect(await stateOf()).toBe("ACTION_REQUIRED");

  mesh = await start();
  await until(async () => (await stateOf()) === "VOIDED");
  const answer = { clientSecret: action.clientSecret, approved: true };
  expect(await ask(mesh, "/v1/sandbox-challenges:answer", answer)).toEqual({ state: "CHALLENGE_STATE_CANCELLED" });
  const asked = "select count(*)::integer as count from payments.sandbox_operation where kind = 'void' and idempotency_key like";
  const payment = await first<{ id: string }>("select payment_id as id from payments.payment where order_id = $1", orderId);
  expect(await first(`${asked} $1 || '%'`, payment?.id ?? "")).toEqual({ count: 1 });
  expect(await first("select count(*)::integer as count from payments.ledger_entry where order_id = $1", orderId)).toEqual({
    count: 0,
  });
}, 180_000);
