// Keeps the planner's idea of tables that grow fast. The server's own analysis comes once a minute at most; until then a
// table that was empty a moment ago is read by whichever index comes first, row by row.
import { sql, type Kysely } from "kysely";

/** A table is analysed again whenever it has doubled. */
const growth = 1;
const rowsMin = 100;
/** From here on the server's own analysis, after every tenth of its rows, is good enough. */
const rowsMax = 200_000;

/** Analyses the tables of the schema that have outgrown what the planner knows of them. Answers their names. */
export async function analyzeYoungTables<Tables>(db: Kysely<Tables>, schema: string): Promise<string[]> {
  const grown = await sql<{ name: string }>`
    select relname as name from pg_class
    where relnamespace = ${schema}::regnamespace and relkind = 'r' and reltuples < ${rowsMax}
      and pg_stat_get_mod_since_analyze(oid) >= greatest(${rowsMin}, ${growth} * reltuples)`.execute(db);
  for (const { name } of grown.rows) {
    // Whoever analyses or changes it at this moment makes ours needless.
    await sql`analyze (skip_locked) ${sql.id(schema, name)}`.execute(db);
  }
  return grown.rows.map(({ name }) => name);
}
