// Databases of the version before tenants were made: whose rows they hold is found by the migrations, also by an owner who is no
// superuser and sees rows of tenants only where it says so.
import { randomBytes } from "node:crypto";
import type { Kysely } from "kysely";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectDatabase, type ServiceDatabase } from "#runtime/database/connect.ts";
import { migrateUp } from "#runtime/database/migrate.ts";
import { createLogger } from "#runtime/log.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { fraud } from "../../services/fraud/main.ts";
import * as ofFraud from "../../services/fraud/migrations/0004_prepared_tenants.ts";
import { identity } from "../../services/identity/main.ts";
import * as ofIdentity from "../../services/identity/migrations/0004_registered_tenants.ts";
import { operations } from "../../services/operations/main.ts";
import * as ofOperations from "../../services/operations/migrations/0005_audited_tenants.ts";
import { shipping } from "../../services/shipping/main.ts";
import * as ofShipping from "../../services/shipping/migrations/0005_prepared_tenants.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

const login = `test_owner_${randomBytes(4).toString("hex")}`;
let database: TestDatabase;
let admin: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  // All databases of the server have this role; it may be there.
  await admin.query("create role ordermesh_app nologin").catch(() => {});
  await admin.query(`create role ${login} login password 'test' in role ordermesh_app`);
  await admin.query(`grant create on database ${new URL(database.url).pathname.slice(1)} to ${login}`);
});

afterAll(async () => {
  await admin.query(`drop owned by ${login} cascade`);
  await admin.query(`drop role ${login}`);
  await admin.end();
  await database.drop();
});

interface Step {
  up(db: Kysely<never>): Promise<void>;
  down(db: Kysely<never>): Promise<void>;
}

/** Brings the service's schema to the version before the step, has rows written as that version had them, and takes the step. */
async function upgrade(definition: unknown, step: Step, ...rows: string[]): Promise<void> {
  const { name, migrations } = definition as ServiceDefinition;
  const url = new URL(database.url);
  [url.username, url.password] = [login, "test"];
  const log = createLogger({ level: "silent" });
  const settings = { url: url.href, as: "owner", schema: name, connectionsMax: 2, log, onCommit: () => {} } as const;
  const owner: ServiceDatabase<never> = connectDatabase<never>(settings);
  try {
    await migrateUp(owner.db, { schema: name, folder: migrations });
    await owner.db.transaction().execute((tx) => step.down(tx));
    for (const row of rows) await admin.query(row);
    await owner.db.transaction().execute((tx) => step.up(tx));
  } finally {
    await owner.close();
  }
}

const read = async (statement: string): Promise<unknown[]> => (await admin.query(statement)).rows;

test("identity: who has a client or an account is a tenant, and no client can be in another", async () => {
  await upgrade(
    identity,
    ofIdentity,
    "insert into identity.client values ('a', 'old', '', true, '{customer}', '{}', null, now())",
    "insert into identity.account values ('older', 'ada', 'ada@example.test', '$scrypt$', now(), now())",
  );
  expect(await read("select tenant_id, is_announced from identity.tenant order by 1")).toEqual([
    { tenant_id: "old", is_announced: false },
    { tenant_id: "older", is_announced: false },
  ]);
  const stray = "insert into identity.client values ('b', 'nowhere', '', true, '{customer}', '{}', null, now())";
  await expect(admin.query(stray)).rejects.toThrow(/client_tenant/);
});

test("operations: whose events are in the stream is audited, and what was swept says whose it was where that is known", async () => {
  await upgrade(
    operations,
    ofOperations,
    `insert into operations.stream_key values ('orders', 'old', 'ord_1', '{[1,2)}', null, now(), 1),
       ('auditlog', 'mesh', 'orders', '{[1,2)}', null, now(), 1)`,
    `insert into operations.audit_finding
       values ('stock.stranded', 'old', 'ord_1', 'vio_1', 'violation', false, '', '{}', '', '', 1, now(), now())`,
    `insert into operations.sweep_action values ('vio_1', 'RELEASE_HOLD', 'ord_1', '', '', 1, now(), now()),
       ('vio_2', 'RELEASE_HOLD', 'ord_2', '', '', 1, now(), now())`,
    "insert into operations.audit_walk (walk, pass_time) values ('stock', now())",
  );
  expect(await read("select tenant_id from operations.audited_tenant")).toEqual([{ tenant_id: "old" }]);
  expect(await read("select violation_id, tenant_id from operations.sweep_action order by 1")).toEqual([
    { violation_id: "vio_1", tenant_id: "old" },
    { violation_id: "vio_2", tenant_id: "" },
  ]);
});

test("shipping and fraud: who has rates, or rules, or had orders screened, gets nothing that it did not have", async () => {
  await upgrade(shipping, ofShipping, "insert into shipping.rate values ('old', 'STANDARD', 'EUR', 'domestic', 7, 0, 7)");
  await upgrade(
    fraud,
    ofFraud,
    `insert into fraud.rule values ('old', 'rule_1', 'mine', 5, 'bin', '{"prefix": "9"}', now())`,
    `insert into fraud.assessment select 'older', 'ord_1', 'evt_1', '', 'CLEARED', 0, '[]', 'EUR', 1, now(), now(), 'RULES', '', '',
       now(), 1`,
  );
  const prepared = (service: string) => read(`select tenant_id from ${service}.prepared_tenant order by 1`);
  expect(await prepared("shipping")).toEqual([{ tenant_id: "demo" }, { tenant_id: "old" }]);
  expect(await prepared("fraud")).toEqual([{ tenant_id: "demo" }, { tenant_id: "old" }, { tenant_id: "older" }]);
});
