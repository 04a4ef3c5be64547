// Row-level security of the tables, for migrations. They are never changed once they have run, so nor is what stands here: a
// new rule is a new function beside these.
import { sql, type Kysely } from "kysely";

/**
 * An empty setting is as good as none: the server leaves it behind where a transaction had set it. Selected, so that it is asked
 * for once a statement and not once a row.
 */
const isOfTenant = `tenant_id = (select nullif(current_setting('ordermesh.tenant', true), ''))`;
const isSystem = `(select current_setting('ordermesh.system', true)) = 'on'`;

type Tables = readonly string[];

/** A transaction sees and writes the rows of its own tenant; with no tenant none, for the system all. Also for partitions. */
export async function isolateTenants(db: Kysely<never>, tables: Tables): Promise<void> {
  for (const table of tables) await secure(db, { table, condition: `${isOfTenant} or ${isSystem}` });
}

/** Only the system sees and writes them: of no row is it said whose it is. */
export async function keepForSystem(db: Kysely<never>, tables: Tables): Promise<void> {
  for (const table of tables) await secure(db, { table, condition: isSystem });
}

/** Statements for a partition that is made after its table was secured: it is checked too where somebody names it itself. */
export const securingStatements = (partition: string, parent: "outbox" | "inbox" | "audit_entry"): string =>
  statements(partition, parent === "inbox" ? isSystem : `${isOfTenant} or ${isSystem}`);

/** Takes it back. */
export async function releaseTables(db: Kysely<never>, tables: Tables): Promise<void> {
  for (const table of tables) {
    for (const name of await withPartitions(db, table)) {
      await sql`drop policy tenant on ${sql.raw(name)}`.execute(db);
      await sql`alter table ${sql.raw(name)} no force row level security, disable row level security`.execute(db);
    }
  }
}

async function secure(db: Kysely<never>, { table, condition }: { table: string; condition: string }): Promise<void> {
  for (const name of await withPartitions(db, table)) await sql.raw(statements(name, condition)).execute(db);
}

const statements = (table: string, condition: string): string => `
  alter table ${table} enable row level security, force row level security;
  create policy tenant on ${table} using (${condition}) with check (${condition})`;

/** The table and its partitions, as names for SQL. */
async function withPartitions(db: Kysely<never>, table: string): Promise<string[]> {
  const found = await sql<{ name: string }>`
    select ${table} as name union
    select inhrelid::regclass::text from pg_inherits where inhparent = ${table}::regclass`.execute(db);
  return found.rows.map(({ name }) => name);
}
