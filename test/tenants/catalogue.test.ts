// What the database itself says of every table after all migrations: who is kept from which rows, and who may do what.
import { sql, type Kysely } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectDatabase, type ServiceDatabase } from "#runtime/database/connect.ts";
import { migrateUp } from "#runtime/database/migrate.ts";
import { maintainPartitions } from "#runtime/database/partitions.ts";
import { createLogger } from "#runtime/log.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { catalog } from "../../services/catalog/main.ts";
import { fraud } from "../../services/fraud/main.ts";
import { inventory } from "../../services/inventory/main.ts";
import { operations } from "../../services/operations/main.ts";
import { orders } from "../../services/orders/main.ts";
import { payments } from "../../services/payments/main.ts";
import { shipping } from "../../services/shipping/main.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { untenanted } from "./untenanted.ts";

const definitions = [catalog, inventory, orders, payments, fraud, shipping, operations] as unknown as ServiceDefinition[];
const schemas = definitions.map(({ name }) => name);

let database: TestDatabase;
let owners: ServiceDatabase<never>[];
let db: Kysely<never>;

beforeAll(async () => {
  database = await createTestDatabase();
  const log = createLogger({ level: "silent" });
  // All at once, and each twice, as services and their replicas start.
  const starting = [...definitions, ...definitions].map(async ({ name, migrations }) => {
    const owner = connectDatabase<never>({
      url: database.url,
      as: "owner",
      schema: name,
      connectionsMax: 2,
      log,
      onCommit: () => {},
    });
    await migrateUp(owner.db, { schema: name, folder: migrations });
    await maintainPartitions(owner.db, { schema: name, now: new Date() });
    return owner;
  });
  owners = await Promise.all(starting);
  db = owners[0]!.db;
});

afterAll(async () => {
  await Promise.all(owners.map((owner) => owner.close()));
  await database.drop();
});

interface Table {
  name: string;
  isForced: boolean;
  policies: string[] | null;
}

const ofTenant = "tenant_id = ( SELECT NULLIF(current_setting('ordermesh.tenant'::text, true), ''::text) AS \"nullif\")";
const ofSystem = "( SELECT current_setting('ordermesh.system'::text, true) AS current_setting) = 'on'::text";
const plain = (expression: string): string => expression.replaceAll(/[()\s]/g, "");
const expected = [`${ofTenant} or ${ofSystem}`.replace(" or ", " OR "), ofSystem].map(plain);

async function readTables(): Promise<Table[]> {
  const read = await sql<Table>`
    select relnamespace::regnamespace || '.' || relname as name, relrowsecurity and relforcerowsecurity as "isForced",
      (
        select array_agg(concat_ws(' | ', polcmd, polpermissive, polroles::text,
          pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)))
        from pg_policy where polrelid = pg_class.oid
      ) as policies
    from pg_class
    where relkind in ('r', 'p', 'm', 'f') and relnamespace::regnamespace::text = any(${schemas})
    order by 1`.execute(db);
  return read.rows;
}

const isUntenanted = (name: string): boolean => name in untenanted || `*.${name.split(".")[1] ?? ""}` in untenanted;

const policyOf = (condition: string): string => plain(`* | t | {0} | ${condition} | ${condition}`);

/** Tables that are neither kept apart by their one policy nor known to have no tenant's data. */
const open = (tables: readonly Table[]): string[] =>
  tables
    .filter(({ name }) => !isUntenanted(name))
    .filter(({ isForced, policies }) => {
      const [policy = "", ...more] = policies ?? [];
      return !isForced || more.length > 0 || !expected.map(policyOf).includes(plain(policy.replaceAll("{-}", "{0}")));
    })
    .map(({ name }) => name);

test("every table with a tenant's data has forced row-level security and the policy", async () => {
  const tables = await readTables();
  expect(tables.length).toBeGreaterThan(100);
  for (const table of ["outbox", "audit_entry"]) {
    expect(tables.some(({ name }) => name.startsWith(`orders.${table}_p2`))).toBe(true);
  }
  expect(open(tables)).toEqual([]);
});

test("a table that has a tenant column has the tenant's policy, and is not for the system alone", async () => {
  const { rows } = await sql<{ name: string }>`
    select relnamespace::regnamespace || '.' || relname as name
    from pg_class join pg_attribute on attrelid = pg_class.oid join pg_policy on polrelid = pg_class.oid
    where relkind in ('r', 'p') and attname = 'tenant_id' and pg_get_expr(polqual, polrelid) not like '%tenant_id%'`.execute(db);
  expect(rows).toEqual([]);
});

test("a tenant column is never empty", async () => {
  const { rows } = await sql<{ name: string }>`
    select attrelid::regclass::text as name from pg_attribute join pg_class on pg_class.oid = attrelid
    where relkind in ('r', 'p') and attname = 'tenant_id' and not attnotnull`.execute(db);
  expect(rows).toEqual([]);
});

test("a new table is found, and so is one whose policy is another or whose security is not forced", async () => {
  await sql`create table catalog.forgotten (tenant_id text not null)`.execute(db);
  await sql`create table catalog.loose (tenant_id text not null)`.execute(db);
  await sql`alter table catalog.loose enable row level security, force row level security`.execute(db);
  await sql`create policy tenant on catalog.loose using (true)`.execute(db);
  await sql`alter table catalog.price no force row level security`.execute(db);
  try {
    expect(open(await readTables())).toEqual(["catalog.forgotten", "catalog.loose", "catalog.price"]);
  } finally {
    await sql`drop table catalog.forgotten, catalog.loose`.execute(db);
    await sql`alter table catalog.price force row level security`.execute(db);
  }
});

test("whatever is said to have no tenant's data is there", async () => {
  const names = (await readTables()).map(({ name }) => name);
  const known = Object.keys(untenanted);
  expect(known.filter((name) => !names.some((other) => name === other || name === `*.${other.split(".")[1]}`))).toEqual([]);
});

test("the application has rows of the services' schemas and nothing more", async () => {
  const { rows } = await sql<{ name: string; privileges: string[] }>`
    select distinct on (name) relnamespace::regnamespace || '.' || relname as name,
      array(
        select privilege from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as privilege
        where has_table_privilege('ordermesh_app', pg_class.oid, privilege)
      ) as privileges
    from pg_class
    where relkind in ('r', 'p') and relnamespace::regnamespace::text = any(${schemas})
    order by name`.execute(db);
  const may = Map.groupBy(rows, ({ privileges }) => privileges.join(" "));
  const kindOf = (name: string): string => {
    if (/_(p\d+|default)$/.test(name)) return "partition";
    if (/\.audit_(entry|seal)$/.test(name)) return "audit log";
    return name.includes("migration") ? "migration" : "";
  };
  const kinds = [...may].map(([privileges, tables]) => [privileges, [...new Set(tables.map(({ name }) => kindOf(name)))]]);
  expect(Object.fromEntries(kinds)).toEqual({
    "SELECT INSERT UPDATE DELETE": [""],
    "SELECT INSERT": ["audit log"],
    SELECT: ["migration"],
    "": ["partition"],
  });
});

test("the application's role is no superuser, bypasses nothing, makes nothing and is nobody else", async () => {
  const { rows } = await sql`
    select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolcanlogin,
      array(select roleid::regrole::text from pg_auth_members where member = pg_roles.oid) as roles,
      array(select relname::text from pg_class where relowner = pg_roles.oid) as owns,
      array(select nspname::text from pg_namespace where has_schema_privilege('ordermesh_app', oid, 'create')) as "makesIn"
    from pg_roles where rolname = 'ordermesh_app'`.execute(db);
  expect(rows).toEqual([
    {
      rolsuper: false,
      rolbypassrls: false,
      rolcreaterole: false,
      rolcreatedb: false,
      rolreplication: false,
      rolcanlogin: false,
      roles: [],
      owns: [],
      makesIn: [],
    },
  ]);
});
