// What is written stays: whatever the code or a person at the database's prompt does, short of taking the rules away.
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { actFor } from "#runtime/database/scope.ts";
import { maintainPartitions } from "#runtime/database/partitions.ts";
import { appendEntries } from "#runtime/audit-log/record.ts";
import type { AuditEntry } from "#runtime/audit-log/entry.ts";
import { catalog } from "../../services/catalog/main.ts";
import type { CatalogTables } from "../../services/catalog/store/tables.ts";
import { serviceFixture, type ServiceFixture } from "../support/service-fixture.ts";
import { callerOf, entriesOf } from "./callers.ts";

let fixture: ServiceFixture<CatalogTables>;
beforeAll(async () => {
  fixture = await serviceFixture(catalog);
  await maintainPartitions(fixture.runtime.db, { schema: "catalog", now: new Date() });
});
afterAll(() => fixture.close());

const run = (statement: string): Promise<unknown> => sql.raw(statement).execute(fixture.runtime.db);
const variant = (sku: string) => ({ variant: { sku, prices: [{ currencyCode: "EUR", minorUnits: 900n }] }, initialStock: 3n });
const create = (...skus: string[]) =>
  callerOf(CatalogService, fixture.parts).createProduct({ title: "Mug", variants: skus.map(variant) });

const partitions = async (): Promise<string[]> => {
  const read = await sql<{ name: string }>`
    select relname as name from pg_class where relname like 'audit_entry_p%' and relkind = 'r' order by relname`.execute(
    fixture.runtime.db,
  );
  return read.rows.map(({ name }) => name);
};

const entry: AuditEntry = {
  tenant: "demo",
  subject: "ada",
  clientId: "shop",
  roles: "customer",
  method: "a/B",
  resourceKind: "thing",
  resourceId: "1",
  before: null,
  after: "{}",
  outcome: "OK",
  reason: "",
  peer: "192.0.2.7",
  requestId: "req_1",
};

test("a change that fails leaves no entry", async () => {
  await create("TAKEN");
  await expect(create("FREE", "TAKEN")).rejects.toThrow(/TAKEN/);
  expect(await entriesOf(fixture.runtime.db)).toHaveLength(1);
});

describe("an entry", () => {
  beforeAll(async () => {
    await fixture.runtime.transaction((tx) => appendEntries(tx, [entry]));
  });

  test.each([
    "update audit_entry set subject = 'mallory'",
    "delete from audit_entry",
    "truncate audit_entry",
    "truncate audit_entry_default",
  ])("is refused: %s", async (statement) => {
    await expect(run(statement)).rejects.toThrow(/append-only/);
  });

  test("cannot be emptied out of its month either", async () => {
    const months = await partitions();
    expect(months.length).toBeGreaterThan(0);
    for (const month of months) await expect(run(`truncate ${month}`)).rejects.toThrow(/append-only/);
  });
});

test("the work's role may only add and read, within its shop, and has no way round by its rights", async () => {
  const asWork = (statement: string): Promise<unknown> =>
    fixture.runtime.transaction(async (tx) => {
      await sql`set local role ordermesh_app`.execute(tx);
      await actFor(tx, "demo");
      await sql.raw(statement).execute(tx);
    });
  const adding = (tenant: string): string =>
    `insert into audit_entry (tenant_id, subject, client_id, roles, method, resource_kind, resource_id, outcome, reason, peer,
      request_id, entry_time, hash) values ('${tenant}', 'role', '', '', '', '', '', 'OK', '', '', '', now(), sha256(''))`;
  await asWork(adding("demo"));
  await expect(asWork(adding("other"))).rejects.toThrow(/row-level security/);
  const [month] = await partitions();
  const statements = ["update audit_entry set subject = ''", "delete from audit_seal", "truncate audit_entry"];
  for (const statement of [...statements, `select from ${month}`, `truncate ${month}`]) {
    await expect(asWork(statement)).rejects.toThrow(/permission denied/);
  }
  await expect(asWork("alter table audit_entry disable trigger user")).rejects.toThrow(/must be owner/);
});

test("months are made ahead, and go when they are past retention and not before", async () => {
  const { db } = fixture.runtime;
  const care = (now: string) => maintainPartitions(db, { schema: "catalog", now: new Date(now), auditLogDays: 60 });
  await care("2031-01-30T12:00:00Z");
  expect((await partitions()).filter((name) => name >= "audit_entry_p2031")).toEqual([
    "audit_entry_p20310101",
    "audit_entry_p20310201",
  ]);
  await care("2031-03-31T12:00:00Z");
  expect((await partitions()).filter((name) => name < "audit_entry_p20310301")).toEqual([
    "audit_entry_p20310101",
    "audit_entry_p20310201",
  ]);
  await care("2031-04-02T12:00:00Z");
  expect((await partitions())[0]).toBe("audit_entry_p20310201");
});
