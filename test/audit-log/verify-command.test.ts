// The command, as a person runs it, beside a service that works: on a real database and a real stream.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AuditEntry } from "#runtime/audit-log/entry.ts";
import { appendEntries } from "#runtime/audit-log/record.ts";
import { connectDatabase, type ServiceDatabase } from "#runtime/database/connect.ts";
import { startHost, type Host } from "#runtime/host.ts";
import { createLogger } from "#runtime/log.ts";
import type { ServiceDefinition, ServiceRuntime } from "#runtime/service.ts";
import { root } from "../../tools/command.ts";
import { catalog } from "../../services/catalog/main.ts";
import type { CatalogTables } from "../../services/catalog/store/tables.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";

let database: TestDatabase;
let nats: TestNats;
let host: Host;
let runtime: ServiceRuntime<CatalogTables>;
let owner: ServiceDatabase<never>;

beforeAll(async () => {
  [database, nats] = await Promise.all([createTestDatabase(), testNats()]);
  const definition: ServiceDefinition<CatalogTables> = {
    ...catalog,
    create: (created) => {
      runtime = created;
      return catalog.create(created);
    },
  };
  const log = createLogger({ level: "silent" });
  owner = connectDatabase({ url: database.url, as: "owner", schema: "catalog", connectionsMax: 1, log, onCommit: () => {} });
  host = await startHost({
    definitions: [definition as unknown as ServiceDefinition],
    databaseUrl: database.url,
    natsUrl: nats.url,
    host: "127.0.0.1",
    rpcPort: 0,
    partitions: 3,
    streamReplicas: 1,
    relayLagMsMax: 10_000,
    retryDelaysMs: [50],
    connectionsMax: 8,
    tenant: "demo",
    log,
    env: {},
  });
});
afterAll(async () => {
  await host.close();
  await owner.close();
  await Promise.all([database.drop(), nats.stop()]);
});

const entry = (subject: string): AuditEntry => ({
  tenant: "demo",
  subject,
  clientId: "shop",
  roles: "operator",
  method: "a.B/Do",
  resourceKind: "thing",
  resourceId: "thing_1",
  before: null,
  after: "{}",
  outcome: "OK",
  reason: "",
  peer: "192.0.2.7",
  requestId: "req_1",
});

interface Said {
  code: number;
  text: string;
}

async function verify(env: Record<string, string>, ...args: string[]): Promise<Said> {
  const run = promisify(execFile)(process.execPath, ["tools/audit-log-verify.ts", ...args], { cwd: root, env });
  return run.then(
    ({ stdout }) => ({ code: 0, text: stdout }),
    (error: { code: number; stdout: string; stderr: string }) => ({ code: error.code, text: error.stdout + error.stderr }),
  );
}

const servers = () => ({ DATABASE_URL: database.url, NATS_URL: nats.url });
const run = (statement: string): Promise<unknown> => sql.raw(statement).execute(owner.db);

test("without servers it says what to set", async () => {
  expect(await verify({})).toEqual({ code: 2, text: expect.stringContaining("Set DATABASE_URL") });
});

test("entries are sealed by themselves, and their seals are in the stream", async () => {
  await runtime.system.transaction((tx) => appendEntries(tx, [entry("ada"), entry("bob")]));
  await until(async () => {
    expect(await verify(servers())).toEqual({
      code: 0,
      text: expect.stringContaining("catalog: 2 sealed entries, 1 seals (1 also in the stream), 0 entries not sealed yet"),
    });
    return true;
  });
});

test("a removal that took the seal along is found by the copy in the stream, and only by it", async () => {
  for (const table of ["audit_entry", "audit_seal"]) await run(`alter table ${table} disable trigger user`);
  await run("delete from audit_entry where subject = 'bob'");
  await run("delete from audit_seal");
  expect(await verify(servers(), "--without-stream")).toMatchObject({ code: 0 });
  expect(await verify(servers())).toEqual({
    code: 1,
    text: expect.stringMatching(/entry_removed in catalog: entry 2 is missing/),
  });
});

test("a log that has gone as a whole is missed", async () => {
  await run("drop table audit_entry, audit_seal");
  expect(await verify(servers())).toEqual({ code: 1, text: expect.stringContaining("there is no audit log of catalog") });
});
