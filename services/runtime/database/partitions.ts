// The outbox and the inbox have a partition a day, the audit log one a month: made ahead, dropped whole when they are old.
import { sql, type Kysely } from "kysely";
import { securingStatements } from "./tenant-policy.ts";
import { numberSetting, type Environment } from "../settings.ts";

export interface Retention {
  table: "outbox" | "inbox" | "audit_entry";
  every: "day" | "month";
  daysKept: number;
}

/**
 * Outbox rows outlive the time in which a NATS server could still lose what it acknowledged, so that they can be sent
 * again. Inbox rows outlive the stream (7 days) and every dead letter that might be sent again.
 */
const deliveryRetentions: readonly Retention[] = [
  { table: "outbox", every: "day", daysKept: 3 },
  { table: "inbox", every: "day", daysKept: 35 },
];

/** Two years. */
const auditLogDaysDefault = 730;

/** How long entries of the audit log are kept, in days; whole months go when all of them are older. */
export const readAuditLogDays = (env: Environment): number =>
  numberSetting(env, "ORDERMESH_AUDIT_LOG_DAYS", { fallback: auditLogDaysDefault, min: 31, max: 36_500 });

const daysAhead = 3;
const dayMs = 86_400_000;

/** First day of the period that the time is in, or of one after it. */
function startOf(every: Retention["every"], time: number, periodsLater = 0): string {
  const date = new Date(time);
  if (every === "day") date.setUTCDate(date.getUTCDate() + periodsLater);
  else date.setUTCMonth(date.getUTCMonth() + periodsLater, 1);
  return date.toISOString().slice(0, 10);
}

const partitionName = (table: string, day: string): string => `${table}_p${day.replaceAll("-", "")}`;

/** Makes the partitions of yesterday to three days ahead, and drops those that are older than their retention. */
export async function maintainPartitions<Tables>(
  db: Kysely<Tables>,
  { schema, now, auditLogDays = auditLogDaysDefault }: { schema: string; now: Date; auditLogDays?: number },
): Promise<void> {
  const retentions = [...deliveryRetentions, { table: "audit_entry", every: "month", daysKept: auditLogDays } as const];
  for (const { table, every, daysKept } of retentions) {
    const existing = await partitionsOf(db, { schema, table });
    const starts = new Set<string>();
    for (let ahead = -1; ahead <= daysAhead; ahead += 1) starts.add(startOf(every, now.getTime() + ahead * dayMs));
    for (const from of starts) {
      if (!existing.includes(partitionName(table, from)))
        await makePartition(db, { schema, table, every, from }).catch(ignoreExpected);
    }
    const oldest = partitionName(table, startOf(every, now.getTime() - daysKept * dayMs));
    // Names sort by day.
    const old = existing.filter((name) => name < oldest && name !== `${table}_default`);
    for (const name of old) {
      if (table === "outbox" && (await holdsUnpublished(db, { schema, name }))) continue;
      await sql`drop table if exists ${sql.id(schema, name)}`.execute(db);
    }
  }
}

/** With its policy and its trigger or not at all: statements that are sent as one are one transaction. */
async function makePartition<Tables>(
  db: Kysely<Tables>,
  { schema, table, every, from }: { schema: string; table: Retention["table"]; every: Retention["every"]; from: string },
): Promise<void> {
  const to = startOf(every, Date.parse(from), 1);
  const partition = `${schema}.${partitionName(table, from)}`;
  const appendOnly = `
    create trigger append_only_whole before truncate on ${partition}
    for each statement execute function ${schema}.refuse_audit_log_change()`;
  await sql
    .raw(
      `create table ${partition} partition of ${schema}.${table}
        for values from ('${from}T00:00:00Z') to ('${to}T00:00:00Z');
      ${securingStatements(partition, table)};
      ${table === "audit_entry" ? appendOnly : ""}`,
    )
    .execute(db);
}

/** However old: an event that NATS has not had is not forgotten. */
async function holdsUnpublished<Tables>(
  db: Kysely<Tables>,
  { schema, name }: { schema: string; name: string },
): Promise<boolean> {
  const found = await sql<{ some: boolean }>`
    select exists (
      select from ${sql.id(schema, name)} where (xid, id) > (
        (select xid from ${sql.id(schema, "relay_cursor")}), (select id from ${sql.id(schema, "relay_cursor")})
      )
    ) as some`.execute(db);
  return found.rows[0]?.some ?? true;
}

/**
 * 42P07, 42P17, 23505: another replica makes the same partition at this moment.
 * 23514: a foreign event dated ahead of its day lies in the default partition; that day then stays there, which costs the
 * cheap drop of one day, not an event.
 */
const codesExpected = new Set(["42P07", "42P17", "23505", "23514"]);

function ignoreExpected(error: unknown): void {
  if (!codesExpected.has(String((error as { code?: unknown }).code))) throw error;
}

async function partitionsOf<Tables>(db: Kysely<Tables>, { schema, table }: { schema: string; table: string }): Promise<string[]> {
  const found = await sql<{ name: string }>`
    select child.relname as name
    from pg_inherits
    join pg_class child on child.oid = inhrelid
    join pg_class parent on parent.oid = inhparent
    join pg_namespace on pg_namespace.oid = parent.relnamespace
    where parent.relname = ${table} and nspname = ${schema}`.execute(db);
  return found.rows.map((row) => row.name);
}
