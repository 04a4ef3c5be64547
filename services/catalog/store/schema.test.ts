import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { migrateDown, migrateUp, pendingMigrations } from "#runtime/database/migrate.ts";
import { serviceFixture, type ServiceFixture } from "../../../test/support/service-fixture.ts";
import { catalog as definition } from "../main.ts";
import type { CatalogTables } from "./tables.ts";

let catalog: ServiceFixture<CatalogTables>;
beforeAll(async () => {
  catalog = await serviceFixture(definition);
});
afterAll(() => catalog.close());

const where = { schema: definition.name, folder: definition.migrations };
const run = (statement: string): Promise<unknown> => sql.raw(statement).execute(catalog.runtime.db);

test("the migrations go down to nothing and up again", async () => {
  const { db } = catalog.runtime;
  await migrateDown(db, where);
  const left = await sql<{ name: string }>`
    select table_name as name from information_schema.tables
    where table_schema = ${where.schema} and table_name not like 'migration%'`.execute(db);
  expect(left.rows).toEqual([]);
  await migrateUp(db, where);
  expect(await pendingMigrations(db, where)).toEqual([]);
});

const productRow = (id: string, title: string): string => `insert into product values ('demo', '${id}', '${title}', '', now())`;
const variantRow = (sku: string, productId: string, position: number): string =>
  `insert into variant values ('demo', '${sku}', '${productId}', ${position}, '')`;
const priceRow = (sku: string, currency: string, minorUnits: number): string =>
  `insert into price values ('demo', '${sku}', '${currency}', ${minorUnits})`;

describe("whatever the code does", () => {
  beforeAll(async () => {
    await run(productRow("prod_1", "Mug"));
    await run(variantRow("MUG", "prod_1", 0));
    await run(priceRow("MUG", "USD", 100));
  });

  test.each([
    { why: "a product without a title", statement: productRow("prod_2", ""), want: /title_check/ },
    { why: "a SKU that is taken", statement: variantRow("MUG", "prod_1", 1), want: /variant_pkey/ },
    { why: "a variant of no product", statement: variantRow("CUP", "prod_9", 0), want: /foreign key/ },
    { why: "a price of nothing", statement: priceRow("MUG", "EUR", 0), want: /price_above_zero/ },
    { why: "a second price in one currency", statement: priceRow("MUG", "USD", 200), want: /price_pkey/ },
    { why: "a currency that is none", statement: priceRow("MUG", "usd", 200), want: /currency_code_check/ },
    {
      why: "a request that made no product",
      statement: "insert into create_request values ('demo', 'r', '', 'prod_9')",
      want: /foreign key/,
    },
  ])("the database refuses $why", async ({ statement, want }) => {
    await expect(run(statement)).rejects.toThrow(want);
  });
});
