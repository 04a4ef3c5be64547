// Who the work is to the database: the role beside an owner that is no superuser, a login of its own, and what is refused.
import { randomBytes } from "node:crypto";
import { sql, type Kysely, type Transaction } from "kysely";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { checkApplicationRole, provideApplicationRole } from "#runtime/database/application-role.ts";
import { connectDatabase, type ServiceDatabase } from "#runtime/database/connect.ts";
import { migrateDown, migrateUp } from "#runtime/database/migrate.ts";
import { maintainPartitions } from "#runtime/database/partitions.ts";
import { createLogger } from "#runtime/log.ts";
import { runInContext } from "#runtime/request-context.ts";
import { shipping } from "../../services/shipping/main.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

const schema = "shipping";
const folder = shipping.migrations;
const name = (kind: string): string => `test_${kind}_${suffix}`;
const suffix = randomBytes(4).toString("hex");

let database: TestDatabase;
let admin: pg.Client;
let owner: ServiceDatabase<never>;
const opened: ServiceDatabase<never>[] = [];

function connect(login: string | undefined, as: "owner" | "application"): ServiceDatabase<never> {
  const url = new URL(database.url);
  if (login) {
    url.username = login;
    url.password = "test";
  }
  const log = createLogger({ level: "silent" });
  const connected = connectDatabase<never>({ url: url.href, as, schema, connectionsMax: 2, log, onCommit: () => {} });
  opened.push(connected);
  return connected;
}

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  for (const kind of ["owner", "app", "stranger"]) await admin.query(`create role ${name(kind)} login password 'test'`);
  await admin.query(`grant create on database ${new URL(database.url).pathname.slice(1)} to ${name("owner")}`);
  owner = connect(name("owner"), "owner");
});

afterAll(async () => {
  await Promise.all(opened.map((one) => one.close()));
  for (const kind of ["owner", "app", "stranger"]) {
    await admin.query(`drop owned by ${name(kind)} cascade`);
    await admin.query(`drop role ${name(kind)}`);
  }
  await admin.end();
  await database.drop();
});

const asTenant = <Result>(tenant: string, work: () => Promise<Result>): Promise<Result> =>
  runInContext({ requestId: "req_test", traceparent: "", tenant }, work);

const tenantsSeen = async (tx: Transaction<never>): Promise<string[]> =>
  (await sql<{ tenant: string }>`select distinct tenant_id as tenant from rate order by 1`.execute(tx)).rows.map(
    ({ tenant }) => tenant,
  );

const messageOf = async (work: Promise<unknown>): Promise<string> => {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(StartupError);
  return (error as Error).message;
};

test("an owner that may not give the role says whom to ask for what, and after that goes on where it was", async () => {
  // The role is there: another database of this server has it.
  const elsewhere = connect(undefined, "owner");
  await sql`create schema elsewhere`.execute(elsewhere.db);
  await provideApplicationRole(elsewhere.db, "elsewhere");
  expect(await messageOf(migrateUp(owner.db, { schema, folder }))).toContain(`grant ordermesh_app to "${name("owner")}"`);
  await admin.query(`grant ordermesh_app to ${name("owner")}`);
  await migrateUp(owner.db, { schema, folder });
  await maintainPartitions(owner.db, { schema, now: new Date() });
});

test("an owner that is no superuser is kept from rows too, and the work has its tenant's", async () => {
  await sql`
    insert into rate select 'other', method, currency_code, zone, base_minor_units, unit_minor_units, max_minor_units
    from rate`.execute(owner.db);
  const application = connect(name("owner"), "application");
  await checkApplicationRole(application.system.db, { schema, isApart: false });
  expect(await asTenant("demo", () => application.transaction(tenantsSeen))).toEqual(["demo"]);
  const asOwner = owner.transaction(async (tx) => {
    await sql`select set_config('ordermesh.system', 'off', true), set_config('ordermesh.tenant', 'other', true)`.execute(tx);
    return tenantsSeen(tx);
  });
  expect(await asOwner).toEqual(["other"]);
});

test("with a login of its own the work cannot become the owner", async () => {
  await admin.query(`grant ordermesh_app to ${name("app")}`);
  const application = connect(name("app"), "application");
  await checkApplicationRole(application.system.db, { schema, isApart: true });
  const seenAfter = (statement: string) =>
    asTenant("demo", () =>
      application.transaction(async (tx) => {
        await sql.raw(statement).execute(tx);
        return tenantsSeen(tx);
      }),
    );
  expect(await seenAfter("set local role none")).toEqual(["demo"]);
  expect(await seenAfter("reset session authorization")).toEqual(["demo"]);
  await expect(seenAfter(`set local role ${name("owner")}`)).rejects.toMatchObject({ code: "42501" });
  await expect(seenAfter(`set local session authorization ${name("owner")}`)).rejects.toMatchObject({ code: "42501" });
});

test("a login that may not be the role, that owns the tables or that passes every policy is refused with words", async () => {
  const check = (login: string | undefined) =>
    messageOf(checkApplicationRole(connect(login, "application").system.db, { schema, isApart: true }));
  expect(await check(name("stranger"))).toContain('"grant ordermesh_app to" that login');
  expect(await check(name("owner"))).toContain("owns the tables or passes row-level security");
  expect(await check(undefined)).toContain("owns the tables or passes row-level security");
});

test("a connection that does not become the role is refused", async () => {
  const superuser = connect(undefined, "owner");
  expect(await messageOf(checkApplicationRole(superuser.db, { schema, isApart: false }))).toContain("-c role=ordermesh_app");
});

test("a role that has been given the right to pass every policy is refused", async () => {
  // Never committed, because all databases of the server have this role.
  const undone = connect(undefined, "owner").transaction(async (tx) => {
    await sql`alter role ordermesh_app bypassrls`.execute(tx);
    const message = await messageOf(provideApplicationRole(tx as unknown as Kysely<never>, schema));
    throw new Error(message);
  });
  await expect(undone).rejects.toThrow("alter role ordermesh_app nosuperuser nobypassrls");
});

test("that owner takes everything back and makes it anew", async () => {
  await migrateDown(owner.db, { schema, folder });
  await migrateUp(owner.db, { schema, folder });
  const application = connect(name("owner"), "application");
  expect(await asTenant("demo", () => application.transaction(tenantsSeen))).toEqual(["demo"]);
});
