// The schema can be taken back and built again.
import { sql } from "kysely";
import { expect, test } from "vitest";
import { migrateDown, migrateUp } from "#runtime/database/migrate.ts";
import { payments } from "./main.ts";
import { paymentsFixture } from "./provider/books.fixture.ts";

test("the migrations go down to nothing and up again", async () => {
  const fixture = await paymentsFixture();
  const { db } = fixture.runtime;
  const tables = async (): Promise<string[]> => {
    const { rows } = await sql<{ name: string }>`
      select table_name as name from information_schema.tables where table_schema = 'payments' order by table_name`.execute(db);
    return rows.map(({ name }) => name);
  };
  const options = { schema: "payments", folder: payments.migrations };
  const before = await tables();
  await migrateDown(db, options);
  expect(await tables()).toEqual(["migration", "migration_lock"]);
  await migrateUp(db, options);
  expect(await tables()).toEqual(before);
  await fixture.close();
});
