// Batches of several partitions in one transaction: what one of them meets is not the others' business.
import { sql, type Kysely } from "kysely";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { connectDatabase, type ServiceDatabase } from "#runtime/database/connect.ts";
import { migrateUp } from "#runtime/database/migrate.ts";
import type { Delivery } from "#runtime/events/delivery.ts";
import { createBatchHandler, type BatchDatabase, type BatchHandler } from "#runtime/events/handle-batch.ts";
import { hear } from "#runtime/events/hearing.ts";
import { newId } from "#runtime/ids.ts";
import { LeaseLost, takeLeases, type Lease } from "#runtime/lease/lease-store.ts";
import { createLogger } from "#runtime/log.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import type { ProbeTables } from "./probe.ts";

let testDatabase: TestDatabase;
let database: ServiceDatabase<ProbeTables>;
let db: Kysely<ProbeTables>;
let batches: BatchHandler;
let leases: [Lease, Lease];

const writeDown = hear<typeof ProductCreatedSchema, ProbeTables>({
  name: "probe.write",
  event: ProductCreatedSchema,
  handle: async (tx, events) => {
    if (events.some((event) => event.key === "poison")) throw new Error("poison");
    await tx
      .insertInto("effect")
      .values(events.map(({ id, key }) => ({ event_id: id, key, label: "" })))
      .execute();
  },
});

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  const log = createLogger({ level: "silent" });
  database = connectDatabase({ url: testDatabase.url, as: "owner", schema: "probe", connectionsMax: 4, log, onCommit: () => {} });
  ({ db } = database);
  await migrateUp(db, { schema: "probe", folder: new URL("./migrations/", import.meta.url) });
  batches = createBatchHandler(database as unknown as BatchDatabase);
});

beforeEach(async () => {
  await sql`delete from effect`.execute(db);
  await sql`delete from lease`.execute(db);
  const [one, other] = await takeLeases(db, "holder", ["probe_p0", "probe_p1"]);
  if (!one || !other) throw new Error("the leases are free");
  leases = [one, other];
});

afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

/** As much of a delivery as its handling asks for. */
function delivery(key: string): Delivery {
  const id = newId("evt");
  const event = { id, tenant: "demo", key, sequence: 1, time: new Date(), cause: { id, traceparent: "" }, message: {} };
  return {
    streamSequence: 1,
    hearing: writeDown,
    event,
    orderKey: key,
    redriven: false,
    discarded: false,
    message: { info: { deliveryCount: 1 } },
  } as unknown as Delivery;
}

/** Keys with an effect, by the transaction that wrote them. */
async function effects(): Promise<string[][]> {
  const { rows } = await sql<{ keys: string[] }>`
    select array_agg(key order by key) as keys from effect group by xmin::text order by keys`.execute(db);
  return rows.map(({ keys }) => keys);
}

test("batches that come at the same moment are one transaction", async () => {
  await Promise.all([batches.handle(leases[0], [delivery("a"), delivery("b")]), batches.handle(leases[1], [delivery("c")])]);
  expect(await effects()).toEqual([["a", "b", "c"]]);
});

test("a batch that is to go alone does", async () => {
  await Promise.all([batches.handle(leases[0], [delivery("a")]), batches.handleAlone(leases[1], [delivery("b")])]);
  expect(await effects()).toEqual([["a"], ["b"]]);
});

test("an event that fails takes its own batch with it and no other", async () => {
  const [failed, handled] = await Promise.allSettled([
    batches.handle(leases[0], [delivery("a"), delivery("poison")]),
    batches.handle(leases[1], [delivery("b")]),
  ]);
  expect(failed).toMatchObject({ status: "rejected", reason: { message: "poison" } });
  expect(handled.status).toBe("fulfilled");
  expect(await effects()).toEqual([["b"]]);
});

test("a lease that is lost stops its own batch and no other, and nothing is marked as handled", async () => {
  await sql`update lease set holder = 'successor', epoch = epoch + 1 where name = ${leases[0].name}`.execute(db);
  const late = delivery("a");
  const [lost, handled] = await Promise.allSettled([
    batches.handle(leases[0], [late]),
    batches.handle(leases[1], [delivery("b")]),
  ]);
  expect(lost).toMatchObject({ status: "rejected", reason: expect.any(LeaseLost) });
  expect(handled.status).toBe("fulfilled");
  expect(await effects()).toEqual([["b"]]);
  const marked = await sql`select from inbox where event_id = ${late.event.id}`.execute(db);
  expect(marked.rows).toEqual([]);
});
