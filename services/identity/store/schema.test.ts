import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { migrateDown, migrateUp, pendingMigrations } from "#runtime/database/migrate.ts";
import { serviceFixture, type ServiceFixture } from "../../../test/support/service-fixture.ts";
import { identity as definition } from "../main.ts";
import { makeSealedKey, openSealedKey } from "./sealed-key.ts";
import type { IdentityTables } from "./tables.ts";

let identity: ServiceFixture<IdentityTables>;
beforeAll(async () => {
  identity = await serviceFixture(definition);
});
afterAll(() => identity.close());

const where = { schema: definition.name, folder: definition.migrations };
const run = (statement: string): Promise<unknown> => sql.raw(statement).execute(identity.runtime.db);

test("the migrations go down to nothing and up again", async () => {
  const { db } = identity.runtime;
  await migrateDown(db, where);
  const left = await sql<{ name: string }>`
    select table_name as name from information_schema.tables
    where table_schema = ${where.schema} and table_name not like 'migration%'`.execute(db);
  expect(left.rows).toEqual([]);
  await migrateUp(db, where);
  expect(await pendingMigrations(db, where)).toEqual([]);
});

const hash = "decode(repeat('ab', 32), 'hex')";
const client = (id: string, isPublic: boolean, roles: string): string =>
  `insert into client values ('${id}', 'demo', '', ${isPublic}, '{${roles}}', '{}', null, now())`;
const key = (id: string, time: string): string => `insert into signing_key values ('${id}', '{}', '', '${time}', '${time}')`;
const refreshToken = (byte: string, used: string): string =>
  `insert into refresh_token values (decode(repeat('${byte}', 32), 'hex'), 'ses_1', now(), ${used})`;

describe("whatever the code does", () => {
  beforeAll(async () => {
    await run(`insert into tenant values ('demo', '', null, null, true, now())`);
    await run(client("shop", true, "customer"));
    await run(client("books", false, "operator"));
    await run(`insert into client_secret values (${hash}, 'books', now(), null)`);
    await run(`insert into account values ('demo', 'ada', 'ada@example.test', '$scrypt$', now(), now())`);
    await run(`insert into session values ('ses_1', 'demo', 'shop', 'ada', '{customer}', '{}', now(), now(), now(), null)`);
    await run(refreshToken("01", "null"));
    await run(key("key_1", "2026-01-01"));
  });

  test.each([
    { why: "a client with the role of a service", statement: client("x", false, "service"), want: /client_roles_check/ },
    { why: "a public operator", statement: client("x", true, "operator"), want: /client_check/ },
    { why: "a client of two tenants", statement: client("shop", true, "customer"), want: /client_pkey/ },
    {
      why: "a second newest secret",
      statement: `insert into client_secret values (decode(repeat('cd', 32), 'hex'), 'books', now(), null)`,
      want: /client_secret_newest/,
    },
    {
      why: "a secret that is not hashed",
      statement: `insert into client_secret values ('secret', 'shop', now(), null)`,
      want: /secret_hash_check/,
    },
    {
      why: "a login with two accounts",
      statement: `insert into account values ('demo', 'eve', 'ada@example.test', '$scrypt$', now(), now())`,
      want: /account_login/,
    },
    {
      why: "a password that is not hashed",
      statement: `insert into account values ('demo', 'eve', 'eve@example.test', 'hunter2', now(), now())`,
      want: /password_hash_check/,
    },
    { why: "a session with two usable refresh tokens", statement: refreshToken("02", "null"), want: /refresh_token_usable/ },
    {
      why: "a client of a tenant that does not exist",
      statement: `insert into client values ('x', 'nowhere', '', true, '{customer}', '{}', null, now())`,
      want: /client_tenant/,
    },
    {
      why: "an account of a tenant that does not exist",
      statement: `insert into account values ('nowhere', 'eve', 'eve@example.test', '$scrypt$', now(), now())`,
      want: /account_tenant/,
    },
    {
      why: "a tenant that no subject can carry",
      statement: `insert into tenant values ('a.b', '', null, null, true, now())`,
      want: /tenant_id_check/,
    },
    { why: "two keys that sign from one time on", statement: key("key_2", "2026-01-01"), want: /sign_time_key/ },
  ])("the database refuses $why", async ({ statement, want }) => {
    await expect(run(statement)).rejects.toThrow(want);
  });
});

test("a sealed key is opened by its secret, under its id, and as it was", () => {
  const [mine, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const { privateSealed, publicJwk } = makeSealedKey(mine, "key_1");
  const { x, y } = openSealedKey(mine, "key_1", privateSealed)?.export({ format: "jwk" }) ?? {};
  expect({ x, y }).toEqual({ x: publicJwk.x, y: publicJwk.y });
  expect(openSealedKey(other, "key_1", privateSealed)).toBeUndefined();
  expect(openSealedKey(mine, "key_2", privateSealed)).toBeUndefined();
  const changed = Buffer.from(privateSealed);
  changed[40] = (changed[40] ?? 0) ^ 1;
  expect(openSealedKey(mine, "key_1", changed)).toBeUndefined();
});
