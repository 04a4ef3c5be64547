// The outbox and the inbox have a partition a day: made ahead, dropped whole when they are old.
import { sql, type Kysely } from "kysely";
import { securingStatements } from "./tenant-policy.ts";

export interface Retention {
  table: "outbox" | "inbox";
  daysKept: number;
}

/**
 * Outbox rows outlive the time in which a NATS server could still lose what it acknowledged, so that they can be sent
 * again. Inbox rows outlive the stream (7 days) and every dead letter that might be sent again.
 */
export const retentions: readonly Retention[] = [
  { table: "outbox", daysKept: 3 },
  { table: "inbox", daysKept: 35 },
];

const daysAhead = 3;
const dayMs = 86_400_000;

const dayText = (time: number): string => new Date(time).toISOString().slice(0, 10);
const partitionName = (table: string, day: string): string => `${table}_p${day.replaceAll("-", "")}`;

/** Makes the partitions of yesterday to three days ahead, and drops those that are older than their retention. */
export async function maintainPartitions<Tables>(
  db: Kysely<Tables>,
  { schema, now }: { schema: string; now: Date },
): Promise<void> {
  for (const { table, daysKept } of retentions) {
    const existing = await partitionsOf(db, { schema, table });
    for (let ahead = -1; ahead <= daysAhead; ahead += 1) {
      const from = dayText(now.getTime() + ahead * dayMs);
      const to = dayText(now.getTime() + (ahead + 1) * dayMs);
      const name = partitionName(table, from);
      if (existing.includes(name)) continue;
      await makePartition(db, { schema, table, name, from, to }).catch(ignoreExpected);
    }
    const oldest = partitionName(table, dayText(now.getTime() - daysKept * dayMs));
    // Names sort by day.
    const old = existing.filter((name) => name < oldest && name !== `${table}_default`);
    for (const name of old) {
      if (table === "outbox" && (await holdsUnpublished(db, { schema, name }))) continue;
      await sql`drop table if exists ${sql.id(schema, name)}`.execute(db);
    }
  }
}

/** With its policy or not at all: statements that are sent as one are one transaction. */
async function makePartition<Tables>(
  db: Kysely<Tables>,
  { schema, table, name, from, to }: { schema: string; table: Retention["table"]; name: string; from: string; to: string },
): Promise<void> {
  await sql
    .raw(
      `create table ${schema}.${name} partition of ${schema}.${table}
        for values from ('${from}T00:00:00Z') to ('${to}T00:00:00Z');
      ${securingStatements(`${schema}.${name}`, table)}`,
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
