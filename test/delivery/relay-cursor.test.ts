// How far the relay has published is written by its next look at the outbox, and only from where it had read.
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectDatabase, type ServiceDatabase } from "#runtime/database/connect.ts";
import { migrateUp } from "#runtime/database/migrate.ts";
import { rewindRelay } from "#runtime/delivery/delivery-store.ts";
import { moveAndRead, readOutbox, type OutboxRow } from "#runtime/events/relay-store.ts";
import { LeaseLost, takeLeases, type Lease } from "#runtime/lease/lease-store.ts";
import { createLogger } from "#runtime/log.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { rowsReadFrom } from "../support/rows-read.ts";
import { writeOutbox, writePublished } from "./outbox-rows.ts";
import { probeWorld, type ProbeTables } from "./probe.ts";

let database: TestDatabase;
let connected: ServiceDatabase<never>;
let lease: Lease;

beforeAll(async () => {
  database = await createTestDatabase();
  const log = createLogger({ level: "silent" });
  const options = { url: database.url, schema: "probe", connectionsMax: 4, log, onCommit: () => {} };
  connected = connectDatabase<never>({ ...options, as: "owner" });
  await migrateUp(connected.db, { schema: "probe", folder: new URL("./migrations/", import.meta.url) });
  [lease] = (await takeLeases(connected.db, "me", ["relay"])) as [Lease];
});

afterAll(async () => {
  await connected.close();
  await database.drop();
});

const write = (key: string): Promise<unknown> =>
  sql`insert into outbox (event_id, type_name, tenant_id, key, sequence, event_time, cause_id, traceparent, payload)
    values (${`evt_${key}`}, 'type', 'demo', ${key}, 1, now(), 'req', '', '')`.execute(connected.db);

const keysOf = (rows: readonly OutboxRow[]): string[] => rows.map(({ key }) => key);

const published = (last: OutboxRow | undefined) => {
  if (!last) throw new Error("nothing was read");
  return { from: last, to: { xid: last.xid, id: last.outboxId }, acknowledged: undefined };
};

test("the next look moves the cursor and reads what comes after it", async () => {
  await write("a");
  await write("b");
  const { settled } = await readOutbox(connected.db, 1);
  expect(keysOf(settled)).toEqual(["a"]);
  const next = await moveAndRead(connected.db, { lease, move: published(settled[0]), rowsMax: 10 });
  expect(keysOf(next.settled)).toEqual(["b"]);
  expect(keysOf((await readOutbox(connected.db, 10)).settled)).toEqual(["b"]);
  const end = await moveAndRead(connected.db, { lease, move: published(next.settled[0]), rowsMax: 10 });
  expect(end).toEqual({ settled: [], oldestTime: undefined, isUnsettled: false });
});

test("events that are wanted again are read again, also where the relay had not yet said that it had published them", async () => {
  const since = new Date();
  await write("c");
  const { settled } = await readOutbox(connected.db, 10);
  expect(keysOf(settled)).toEqual(["c"]);
  await connected.transaction((tx) => rewindRelay(tx, since));
  const again = await moveAndRead(connected.db, { lease, move: published(settled[0]), rowsMax: 10 });
  expect(keysOf(again.settled).at(-1)).toBe("c");
});

test("under a lease that is gone nothing is moved", async () => {
  const { settled } = await readOutbox(connected.db, 10);
  const gone = { ...lease, epoch: lease.epoch + 1 };
  const move = { lease: gone, move: published(settled.at(-1)), rowsMax: 10 };
  await expect(moveAndRead(connected.db, move)).rejects.toThrow(LeaseLost);
  expect(keysOf((await readOutbox(connected.db, 10)).settled)).toEqual(keysOf(settled));
});

test("a service, which sees its tables through the policies of tenants, does not look at what was published", async () => {
  const world = await probeWorld();
  try {
    const { runtime } = await world.start();
    await writePublished(runtime, 5_000);
    const { next, read } = await runtime.transaction(async (tx) => {
      await writeOutbox(2).execute(tx);
      const { rows } = await sql<Lease & { xid: string; id: number }>`
        select name, holder, epoch, xid::text as xid, id from lease, relay_cursor where name = 'relay'`.execute(tx);
      const [held] = rows;
      if (!held) throw new Error("nobody has the relay");
      const move = { from: { fromXid: held.xid, fromId: held.id }, to: held, acknowledged: undefined };
      const before = await rowsReadFrom(tx, "outbox");
      const next = await moveAndRead<ProbeTables>(tx, { lease: held, move, rowsMax: 10 });
      const read = (await rowsReadFrom(tx, "outbox")) - before;
      await sql`delete from outbox where xid = pg_current_xact_id()`.execute(tx);
      return { next, read };
    });
    expect(next).toMatchObject({ settled: [], isUnsettled: true });
    expect(read).toBeLessThan(20);
  } finally {
    await world.close();
  }
});
