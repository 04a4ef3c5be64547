// Operators read who did what in their shop: from all services in one order of time, page by page.
import { Code, type Client } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuditOutcome, type AuditEntry as ListedEntry } from "#gen/ordermesh/auditlog/v1/audit_entry_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { auditLogRoutes } from "#runtime/audit-log/audit-log-service.ts";
import type { AuditEntry } from "#runtime/audit-log/entry.ts";
import { appendEntries } from "#runtime/audit-log/record.ts";
import { migrateUp } from "#runtime/database/migrate.ts";
import { connectDatabase, type ServiceDatabase } from "#runtime/database/connect.ts";
import { createLogger } from "#runtime/log.ts";
import { catalog } from "../../services/catalog/main.ts";
import { sendingServices } from "../../services/operations/events/event-types.ts";
import { operations } from "../../services/operations/main.ts";
import type { OperationsTables } from "../../services/operations/store/tables.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { refusal } from "../support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../support/service-fixture.ts";
import { callerOf } from "./callers.ts";

const startMs = Date.parse("2026-03-01T12:00:00Z");
let now = new Date(startMs);
let database: TestDatabase;
let logs: { name: string; owner: ServiceDatabase<never>; database: ServiceDatabase<never> }[];
let fixture: ServiceFixture<OperationsTables>;
let client: Client<typeof OperationsService>;

/** The log of a service: its schema with the runtime's tables is enough. */
async function logOf(name: string) {
  const log = createLogger({ level: "silent" });
  const options = { url: database.url, schema: name, connectionsMax: 1, log, onCommit: () => {}, clock: { now: () => now } };
  const owner = connectDatabase<never>({ ...options, as: "owner" });
  await migrateUp(owner.db, { schema: name, folder: catalog.migrations });
  return { name, owner, database: connectDatabase<never>({ ...options, as: "application" }) };
}

const entry = (about: Partial<AuditEntry>): AuditEntry => ({
  tenant: "demo",
  subject: "ada",
  clientId: "shop",
  roles: "customer operator",
  method: "a.B/Do",
  resourceKind: "thing",
  resourceId: "thing_1",
  before: null,
  after: '{"count":"1"}',
  outcome: "OK",
  reason: "",
  peer: "192.0.2.7",
  requestId: "req_1",
  ...about,
});

async function write(service: string, secondsLater: number, about: Partial<AuditEntry> = {}): Promise<void> {
  now = new Date(startMs + secondsLater * 1_000);
  const log = logs.find(({ name }) => name === service);
  await log?.owner.transaction((tx) => appendEntries(tx, [entry(about)]));
}

beforeAll(async () => {
  database = await createTestDatabase();
  logs = await Promise.all(sendingServices.map(logOf));
  fixture = await serviceFixture(operations, {
    others: auditLogRoutes(() => logs.map(({ name, database: { db } }) => ({ name, db }))),
  });
  client = callerOf(OperationsService, fixture.parts);
  await write("orders", 1, { method: "a.B/First", subject: "bob" });
  for (const service of ["payments", "orders", "catalog", "orders"]) await write(service, 2);
  await write("shipping", 3, {
    resourceKind: "shipment",
    resourceId: "ord_7",
    outcome: "PERMISSION_DENIED",
    reason: "NOT_YOURS",
  });
  await write("fraud", 4, { tenant: "other" });
});
afterAll(async () => {
  await fixture.close();
  for (const { database: read, owner } of logs) await Promise.all([read.close(), owner.close()]);
  await database.drop();
});

const lines = (entries: readonly ListedEntry[]): string[] =>
  entries.map(({ service, entryId, entryTime }) => `${Number(entryTime?.seconds) - startMs / 1_000} ${service} ${entryId}`);
const all = ["3 shipping 1", "2 catalog 1", "2 orders 3", "2 orders 2", "2 payments 1", "1 orders 1"];

test("all services' entries come in one order, newest first, and only those of the caller's shop", async () => {
  const { entries, nextPageToken } = await client.listAuditLog({});
  expect(lines(entries)).toEqual(all);
  expect(nextPageToken).toBe("");
  expect(entries[0]).toMatchObject({
    service: "shipping",
    subject: "ada",
    clientId: "shop",
    roles: ["customer", "operator"],
    resourceId: "ord_7",
    after: { count: "1" },
    outcome: AuditOutcome.PERMISSION_DENIED,
    reason: "NOT_YOURS",
    peer: "192.0.2.7",
    requestId: "req_1",
  });
});

test.each([1, 2, 3, 4, 5])("pages of %i hold each entry once, also where many are of one moment", async (pageSize) => {
  const seen: string[] = [];
  let pageToken = "";
  do {
    const page = await client.listAuditLog({ pageSize, pageToken });
    expect(page.entries.length).toBeLessThanOrEqual(pageSize);
    seen.push(...lines(page.entries));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(seen).toEqual(all);
});

const at = (secondsLater: number) => timestampFromMs(startMs + secondsLater * 1_000);

test.each([
  { by: "service", filter: { service: "orders" }, want: ["2 orders 3", "2 orders 2", "1 orders 1"] },
  { by: "subject", filter: { subject: "bob" }, want: ["1 orders 1"] },
  { by: "method", filter: { method: "a.B/First" }, want: ["1 orders 1"] },
  { by: "resource", filter: { resourceKind: "shipment", resourceId: "ord_7" }, want: ["3 shipping 1"] },
  { by: "time from", filter: { sinceTime: at(3) }, want: ["3 shipping 1"] },
  { by: "time until", filter: { untilTime: at(2) }, want: ["1 orders 1"] },
  { by: "all of it", filter: { subject: "bob", sinceTime: at(2) }, want: [] },
])("a filter by $by selects", async ({ filter, want }) => {
  expect(lines((await client.listAuditLog(filter)).entries)).toEqual(want);
});

describe("it refuses", () => {
  const token = (text: string): string => Buffer.from(text).toString("base64url");

  test.each(["!", token("1:orders"), token("1:orders:x"), token("x:orders:1")])("the page token %s", async (pageToken) => {
    expect(await refusal(client.listAuditLog({ pageToken }))).toEqual({
      code: Code.InvalidArgument,
      reason: "PAGE_TOKEN_INVALID",
    });
  });

  test("a service that there is not", async () => {
    const refused = await refusal(client.listAuditLog({ service: "unknown" }));
    expect(refused).toEqual({ code: Code.InvalidArgument, reason: "SERVICE_UNKNOWN" });
  });

  test("whoever is no operator", async () => {
    const customer = callerOf(OperationsService, { ...fixture.parts, role: "customer" });
    expect((await refusal(customer.listAuditLog({}))).reason).toBe("ROLE_REQUIRED");
  });

  test("to answer in part: where a service's log cannot be read there is no page", async () => {
    const orders = logs.find(({ name }) => name === "orders");
    await sql`alter table audit_entry rename to audit_entry_away`.execute(orders!.owner.db);
    expect((await refusal(client.listAuditLog({}))).code).toBe(Code.Internal);
    await sql`alter table audit_entry_away rename to audit_entry`.execute(orders!.owner.db);
  });
});
