// Whoever may do anything in the database changes the log, and it shows.
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AuditLogSealed } from "#gen/ordermesh/auditlog/events/v1/auditlog_events_pb.ts";
import { AuditLogSealedSchema } from "#gen/ordermesh/auditlog/events/v1/auditlog_events_pb.ts";
import { fromBinary } from "@bufbuild/protobuf";
import type { AuditEntry } from "#runtime/audit-log/entry.ts";
import { appendEntries } from "#runtime/audit-log/record.ts";
import { sealHash, sealOfEvent, type Seal } from "#runtime/audit-log/seal.ts";
import { readSeals } from "#runtime/audit-log/seal-store.ts";
import { sealNext } from "#runtime/audit-log/seal-task.ts";
import { verifyLog } from "#runtime/audit-log/verify.ts";
import { catalog } from "../../services/catalog/main.ts";
import type { CatalogTables } from "../../services/catalog/store/tables.ts";
import { serviceFixture, type ServiceFixture } from "../support/service-fixture.ts";
import { until } from "../support/until.ts";

let fixture: ServiceFixture<CatalogTables>;
beforeEach(async () => {
  fixture = await serviceFixture(catalog);
  for (const subjects of [["ada", "bob", "cyd"], ["dan"], ["eve", "fay"]]) {
    await write(...subjects);
    await seal();
  }
});
afterEach(() => fixture.close());

const entry = (subject: string): AuditEntry => ({
  tenant: "demo",
  subject,
  clientId: "shop",
  roles: "operator",
  method: "a.B/Do",
  resourceKind: "thing",
  resourceId: "thing_1",
  before: '{"n":1.0}',
  after: null,
  outcome: "OK",
  reason: "",
  peer: "192.0.2.7",
  requestId: "req_1",
});

async function write(...subjects: string[]): Promise<void> {
  await fixture.runtime.transaction((tx) => appendEntries(tx, subjects.map(entry)));
}

function sealOnce(): Promise<number> {
  const { system, clock, inBackground } = fixture.runtime;
  return sealNext({ service: "catalog", database: system, clock, background: { run: inBackground } });
}

/** Transactions of other tests on the same server hold the entries back for as long as they last. */
const seal = (): Promise<number> => until(sealOnce);

/** What the stream would hold: every seal that was told. */
async function toldSeals(): Promise<Map<number, Seal[]>> {
  const read = await sql<{ payload: Buffer }>`select payload from outbox order by id`.execute(fixture.runtime.db);
  const told = read.rows.map(({ payload }): AuditLogSealed => fromBinary(AuditLogSealedSchema, payload)).map(sealOfEvent);
  return new Map(told.map((one) => [one.number, [one]]));
}

interface Looking {
  copies?: Map<number, Seal[]>;
  retainedSince?: Date;
}

const verify = ({ copies = new Map(), retainedSince = new Date(0) }: Looking = {}) =>
  verifyLog(fixture.runtime.db, { service: "catalog", copies, retainedSince });

const kindsFound = async (looking?: Looking): Promise<string[]> => (await verify(looking)).findings.map(({ kind }) => kind);

/** As the owner of the tables, who takes the trigger away for as long as it takes. */
async function tamper(...statements: string[]): Promise<void> {
  const run = (statement: string) => sql.raw(statement).execute(fixture.runtime.db);
  for (const table of ["audit_entry", "audit_seal"]) await run(`alter table ${table} disable trigger user`);
  await run("alter table audit_entry_default disable trigger user");
  for (const statement of statements) await run(statement);
}

test("a log that nobody has touched is as it was sealed, and what is not sealed yet is counted", async () => {
  await write("gil");
  const log = await verify({ copies: await toldSeals() });
  expect(log).toEqual({ service: "catalog", entries: 6, seals: 3, copies: 3, unsealed: 1, findings: [] });
});

describe("it shows that", () => {
  test.each([
    { what: "an entry was removed", statement: "delete from audit_entry where subject = 'bob'", want: "entry_removed" },
    { what: "another subject was written", statement: "update audit_entry set subject = 'eve' where subject = 'bob'" },
    {
      what: "another time was written",
      statement: "update audit_entry set entry_time = entry_time + interval '1 microsecond' where subject = 'bob'",
    },
    { what: "other content was written", statement: `update audit_entry set before = '{"n":1}' where subject = 'bob'` },
    {
      what: "another outcome was written",
      statement: "update audit_entry set outcome = 'PERMISSION_DENIED' where subject = 'bob'",
    },
    { what: "another hash was written", statement: "update audit_entry set hash = sha256('x') where subject = 'bob'" },
    {
      what: "an entry was added to what is sealed",
      statement: `insert into audit_entry (xid, tenant_id, subject, client_id, roles, method, resource_kind, resource_id, outcome,
        reason, peer, request_id, entry_time, hash) select xid, tenant_id, 'zoe', client_id, roles, method, resource_kind,
        resource_id, outcome, reason, peer, request_id, entry_time, hash from audit_entry where subject = 'ada'`,
      want: "entry_added",
    },
  ])("$what", async ({ statement, want = "entry_altered" }) => {
    await tamper(statement);
    const { findings } = await verify();
    expect(findings.map(({ kind }) => kind)).toContain(want);
    expect(findings[0]?.message).toMatch(/entry \d/);
  });

  test.each([
    { what: "a seal in the middle was removed", statement: "delete from audit_seal where number = 2", want: ["seal_removed"] },
    {
      what: "a seal was altered",
      statement: "update audit_seal set last_id = last_id + 1 where number = 3",
      want: ["seal_altered"],
    },
  ])("$what, also without the stream", async ({ statement, want }) => {
    await tamper(statement);
    expect(await kindsFound()).toEqual(expect.arrayContaining(want));
  });

  test("an entry that is not sealed yet was altered without its hash", async () => {
    await write("gil");
    await tamper("update audit_entry set subject = 'eve' where subject = 'gil'");
    expect(await kindsFound()).toEqual(["entry_altered"]);
  });
});

describe("where the copies in the stream are looked at, it shows that", () => {
  test("the newest entries were removed together with their seal", async () => {
    const copies = await toldSeals();
    await tamper("delete from audit_seal where number = 3", "delete from audit_entry where subject in ('eve', 'fay')");
    expect(await kindsFound()).toEqual([]);
    expect(await kindsFound({ copies })).toEqual(["seal_removed", "entry_removed", "entry_removed"]);
  });

  test("an entry was removed and every seal was made anew", async () => {
    const copies = await toldSeals();
    await tamper("delete from audit_entry where subject = 'bob'", "delete from audit_seal");
    await seal();
    expect(await kindsFound()).toEqual([]);
    const kinds = await kindsFound({ copies });
    expect(kinds).toEqual(expect.arrayContaining(["seal_altered", "seal_removed", "entry_removed"]));
  });

  test("somebody published a seal of their own", async () => {
    const copies = await toldSeals();
    const [real] = await readSeals(fixture.runtime.db, { service: "catalog", after: 0, rowsMax: 1 });
    const forged = { ...real!, timeMs: 1 };
    copies.get(1)?.push({ ...forged, hash: sealHash(forged) });
    expect(await kindsFound({ copies })).toEqual(["seal_added"]);
  });
});

test("what has gone with its partition is not missed, and what is altered there is", async () => {
  await tamper("delete from audit_entry where subject = 'bob'", "update audit_entry set peer = '' where subject = 'ada'");
  expect(await kindsFound({ retainedSince: new Date(Date.now() + 1_000) })).toEqual(["entry_altered"]);
});

test("an entry whose transaction commits late is sealed later and not passed over", async () => {
  const { transaction } = fixture.runtime;
  const started = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const late = transaction(async (tx) => {
    await sql`select pg_current_xact_id()`.execute(tx);
    started.resolve();
    await release.promise;
    await appendEntries(tx, [entry("late")]);
  });
  await started.promise;
  await write("early");
  expect(await sealOnce()).toBe(0);
  expect(await verify()).toMatchObject({ seals: 3, unsealed: 1 });
  release.resolve();
  await late;
  await until(async () => {
    await sealOnce();
    return (await verify()).unsealed === 0;
  });
  expect(await verify()).toMatchObject({ entries: 8, findings: [] });
});
