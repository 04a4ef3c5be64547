import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectDatabase, type ServiceDatabase } from "#runtime/database/connect.ts";
import { migrateUp } from "#runtime/database/migrate.ts";
import { maintainPartitions } from "#runtime/database/partitions.ts";
import { createLogger } from "#runtime/log.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

const schema = "probe";
const dayMs = 86_400_000;
const today = new Date("2026-06-15T12:00:00Z");
const inDays = (days: number): Date => new Date(today.getTime() + days * dayMs);

let own: TestDatabase;
let connected: ServiceDatabase<never>;

beforeAll(async () => {
  own = await createTestDatabase();
  const log = createLogger({ level: "silent" });
  connected = connectDatabase({ url: own.url, as: "owner", schema, connectionsMax: 2, log, onCommit: () => {} });
  await migrateUp(connected.db, { schema, folder: new URL("./migrations/", import.meta.url) });
});

afterAll(async () => {
  await connected.close();
  await own.drop();
});

const partitions = async (): Promise<string[]> => {
  const read = await sql<{ name: string }>`
    select relname as name from pg_class where relname like 'outbox_p%' and relkind = 'r' order by relname`.execute(connected.db);
  return read.rows.map((row) => row.name);
};

const write = (day: Date): Promise<unknown> =>
  sql`insert into outbox (event_id, type_name, tenant_id, key, sequence, event_time, cause_id, traceparent, payload, write_time)
    values ('evt', 'type', 'demo', 'key', 1, ${day}, 'req', '', '', ${day})`.execute(connected.db);

test("each day has its partition, made ahead; what was published is dropped when it is old, and nothing else", async () => {
  await maintainPartitions(connected.db, { schema, now: today });
  expect(await partitions()).toEqual([
    "outbox_p20260614",
    "outbox_p20260615",
    "outbox_p20260616",
    "outbox_p20260617",
    "outbox_p20260618",
  ]);
  await write(inDays(0));
  await sql`update relay_cursor set (xid, id) = (select xid, id from outbox)`.execute(connected.db);
  await write(inDays(1));

  await maintainPartitions(connected.db, { schema, now: inDays(30) });
  // The 15th is published and gone; the 16th holds an event that NATS has not had.
  expect((await partitions()).filter((name) => name < "outbox_p202607")).toEqual(["outbox_p20260616"]);

  await sql`update relay_cursor set (xid, id) = (select xid, id from outbox order by xid desc, id desc limit 1)`.execute(
    connected.db,
  );
  await maintainPartitions(connected.db, { schema, now: inDays(31) });
  expect((await partitions()).filter((name) => name < "outbox_p202607")).toEqual([]);
});

test("a day whose events came before it stays in the default partition, and the others are made", async () => {
  await write(inDays(60));
  await maintainPartitions(connected.db, { schema, now: inDays(58) });
  const names = await partitions();
  expect(names).toContain("outbox_p20260813");
  expect(names).not.toContain("outbox_p20260814");
});
