// On a real database: who migrates a schema waits for whoever migrates the same, and for nobody else.
import { setTimeout as sleep } from "node:timers/promises";
import { sql, type Kysely } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLogger } from "#runtime/log.ts";
import { createTestDatabase, type TestDatabase } from "../../../test/support/database.ts";
import { connectDatabase, type ServiceDatabase } from "./connect.ts";
import { migrateUp } from "./migrate.ts";
import { SchemaLockingAdapter } from "./migration-lock.ts";

const folder = new URL("../../shipping/migrations/", import.meta.url);
const options = { lockTable: "migration_lock", lockRowId: "migration_lock", lockTableSchema: "one" };
let testDatabase: TestDatabase;
let database: ServiceDatabase<never>;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  const log = createLogger({ level: "silent" });
  database = connectDatabase({ url: testDatabase.url, as: "owner", schema: "one", connectionsMax: 4, log, onCommit: () => {} });
});

afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

const tablesOf = async (schema: string): Promise<number> =>
  (await sql`select from pg_tables where schemaname = ${schema}`.execute(database.db)).rows.length;

test("the same schema waits, another does not", async () => {
  const adapter = new SchemaLockingAdapter();
  await database.db.connection().execute(async (holder: Kysely<never>) => {
    const timeout = async () => (await sql<{ statement_timeout: string }>`show statement_timeout`.execute(holder)).rows;
    const before = await timeout();
    await adapter.acquireMigrationLock(holder, options);
    expect(await timeout()).toEqual([{ statement_timeout: "10min" }]);
    const other = connectDatabase<never>({
      url: testDatabase.url,
      as: "owner",
      schema: "two",
      connectionsMax: 2,
      log: createLogger({ level: "silent" }),
      onCommit: () => {},
    });
    await migrateUp(other.db, { schema: "two", folder });
    await other.close();
    expect(await tablesOf("two")).toBeGreaterThan(0);

    const waiting = migrateUp(database.db, { schema: "one", folder });
    await sleep(300);
    expect(await tablesOf("one")).toBe(2);
    await adapter.releaseMigrationLock(holder, options);
    await waiting;
    expect(await timeout()).toEqual(before);
  });
  expect(await tablesOf("one")).toBe(await tablesOf("two"));
});
