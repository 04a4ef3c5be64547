// Holds the audit logs of all services against their seals, and these against the copies in the stream; see docs/audit-log.md.
//   DATABASE_URL=… NATS_URL=… npm run audit-log:verify
// Ends with 0 where nothing was changed, with 1 where something was, with 2 where it could not look.
import { parseArgs } from "node:util";
import { jetstream } from "@nats-io/jetstream";
import { sql } from "kysely";
import { databaseUrlOf } from "#runtime/backing/database-url.ts";
import { readNatsAccess } from "#runtime/backing/nats-access.ts";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { readSealCopies } from "#runtime/audit-log/seal-copies.ts";
import type { Seal } from "#runtime/audit-log/seal.ts";
import { verifyLog, type VerifiedLog } from "#runtime/audit-log/verify.ts";
import { connectDatabase } from "#runtime/database/connect.ts";
import { readAuditLogDays } from "#runtime/database/partitions.ts";
import { connectNats } from "#runtime/events/connect.ts";
import { createLogger } from "#runtime/log.ts";
import type { Environment } from "#runtime/settings.ts";
import { isProgram } from "./command.ts";

const dayMs = 86_400_000;
/** Entries are sealed some time after they were written: what is so much younger than retention may be gone already. */
const marginMs = dayMs;

export interface VerifyAllOptions {
  env: Environment;
  /** Without them what was cut off at the end, and what was made anew as a whole, does not show. */
  withoutStream: boolean;
}

/** @throws StartupError where a setting is missing. */
export async function verifyAll({ env, withoutStream }: VerifyAllOptions): Promise<VerifiedLog[]> {
  const url = required("DATABASE_URL", databaseUrlOf(env));
  const copies = withoutStream ? new Map<string, Map<number, Seal[]>>() : await readCopies(env);
  const retainedSince = new Date(Date.now() - readAuditLogDays(env) * dayMs + marginMs);
  const logs: VerifiedLog[] = [];
  for (const service of await servicesOf(url)) {
    const { db, close } = open(url, service);
    try {
      logs.push(await verifyLog(db, { service, copies: copies.get(service) ?? new Map(), retainedSince }));
    } finally {
      await close();
    }
  }
  for (const [service, seals] of copies) if (!logs.some((log) => log.service === service)) logs.push(gone(service, seals.size));
  return logs;
}

function required(name: string, value: string | undefined): string {
  if (!value) throw new StartupError(`Set ${name} to the server that the mesh uses; \`npm start\` says which that is.`);
  return value;
}

const open = (url: string, schema: string) =>
  connectDatabase<never>({
    url,
    as: "owner",
    schema,
    connectionsMax: 1,
    log: createLogger({ level: "silent" }),
    onCommit: () => {},
  });

async function servicesOf(url: string): Promise<string[]> {
  const { db, close } = open(url, "public");
  try {
    const read = await sql<{ name: string }>`
      select table_schema as name from information_schema.tables where table_name = 'audit_seal' order by 1`.execute(db);
    return read.rows.map(({ name }) => name);
  } finally {
    await close();
  }
}

async function readCopies(env: Environment): Promise<Map<string, Map<number, Seal[]>>> {
  const [url, access] = [required("NATS_URL", env["NATS_URL"]), readNatsAccess(env)];
  const connection = await connectNats({ url, access, name: "audit-log-verify", log: createLogger({ level: "silent" }) });
  try {
    return await readSealCopies(jetstream(connection));
  } finally {
    await connection.close();
  }
}

/** The stream knows of a log that the database does not have at all. */
function gone(service: string, copies: number): VerifiedLog {
  const message = `there is no audit log of ${service}, and the stream has ${copies} seals of it`;
  return { service, entries: 0, seals: 0, copies, unsealed: 0, findings: [{ service, kind: "seal_removed", message }] };
}

export function reportLines(logs: readonly VerifiedLog[]): string[] {
  const findings = logs.flatMap((log) => log.findings);
  const lines = logs.map(
    ({ service, entries, seals, copies, unsealed }) =>
      `${service}: ${entries} sealed entries, ${seals} seals (${copies} also in the stream), ${unsealed} entries not sealed yet`,
  );
  const verdict = findings.length === 0 ? "Nothing was removed, altered or added." : `${findings.length} findings.`;
  return [...lines, ...findings.map(({ service, kind, message }) => `${kind} in ${service}: ${message}`), verdict];
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { "without-stream": { type: "boolean", default: false } } });
  const logs = await verifyAll({ env: process.env, withoutStream: values["without-stream"] });
  for (const line of reportLines(logs)) console.log(line);
  return logs.some(({ findings }) => findings.length > 0) ? 1 : 0;
}

if (isProgram(import.meta.url)) {
  try {
    process.exitCode = await main();
  } catch (error) {
    console.error(error instanceof StartupError ? error.message : error);
    process.exitCode = 2;
  }
}
