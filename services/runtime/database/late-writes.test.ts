// On a real database: what travels together is answered in order, and a write that fails late takes the transaction with it.
import { sql, type Kysely } from "kysely";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createLogger } from "#runtime/log.ts";
import { createTestDatabase, type TestDatabase } from "../../../test/support/database.ts";
import { connectDatabase, type ServiceDatabase } from "./connect.ts";
import { writeLate } from "./late-writes.ts";

let testDatabase: TestDatabase;
let database: ServiceDatabase<never>;
let db: Kysely<never>;
let commits = 0;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  const log = createLogger({ level: "silent" });
  database = connectDatabase({
    url: testDatabase.url,
    as: "owner",
    schema: "public",
    connectionsMax: 2,
    log,
    onCommit: () => {
      commits += 1;
    },
  });
  ({ db } = database);
  await sql`create table written (id text primary key)`.execute(db);
});

beforeEach(async () => {
  await sql`truncate written`.execute(db);
  commits = 0;
});

afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

const write = (id: string) => sql`insert into written values (${id})`;
const written = async (): Promise<string[]> =>
  (await sql<{ id: string }>`select id from written order by id`.execute(db)).rows.map(({ id }) => id);

test("statements that do not wait for each other keep their order, and a failure among them is the one that is told", async () => {
  const seen = await database.transaction(async (tx) => {
    const [, , read] = await Promise.all([
      sql`select pg_sleep(0.1)`.execute(tx),
      write("a").execute(tx),
      sql<{ id: string }>`select id from written`.execute(tx),
    ]);
    return read.rows;
  });
  expect(seen).toEqual([{ id: "a" }]);
  const failing = database.transaction((tx) =>
    Promise.all([write("b").execute(tx), write("a").execute(tx), write("c").execute(tx)]),
  );
  await expect(failing).rejects.toThrow(/duplicate key/);
  expect(await written()).toEqual(["a"]);
});

test("a late write is durable with its transaction", async () => {
  await database.transaction((tx) => writeLate(tx, write("a")));
  expect(await written()).toEqual(["a"]);
  expect(commits).toBe(1);
});

test("a late write that fails fails the transaction with its own reason, and nothing of it remains", async () => {
  await write("taken").execute(db);
  const working = database.transaction(async (tx) => {
    await write("a").execute(tx);
    await writeLate(tx, write("taken"));
    return "done";
  });
  await expect(working).rejects.toThrow(/duplicate key/);
  expect(await written()).toEqual(["taken"]);
  expect(commits).toBe(0);
});

test("a statement that is refused because a late write has failed before it says why that failed", async () => {
  await write("taken").execute(db);
  const working = database.transaction(async (tx) => {
    await writeLate(tx, write("taken"));
    await write("b").execute(tx);
  });
  await expect(working).rejects.toThrow(/duplicate key/);
  expect(await written()).toEqual(["taken"]);
});

test("the connection is of use after a transaction that has failed late", async () => {
  await write("taken").execute(db);
  for (let round = 0; round < 4; round += 1) {
    await expect(database.transaction((tx) => writeLate(tx, write("taken")))).rejects.toThrow(/duplicate key/);
  }
  await database.transaction((tx) => writeLate(tx, write("after")));
  expect(await written()).toEqual(["after", "taken"]);
});

test("a transaction that expects no late writes waits for each", async () => {
  await write("taken").execute(db);
  const working = db.transaction().execute((tx) => writeLate(tx, write("taken")));
  await expect(working).rejects.toThrow(/duplicate key/);
});
