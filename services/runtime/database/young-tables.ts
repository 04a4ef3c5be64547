// Keeps the planner's idea of tables that grow fast. The server's own analysis comes once a minute at most; until then a
// table that was empty a moment ago is read by whichever index comes first, row by row.
import { sql, type Kysely } from "kysely";

/** A table is analysed again whenever it has doubled. */
const growth = 1;
const rowsMin = 100;
/** From here on the server's own analysis, after every tenth of its rows, is good enough. */
const rowsMax = 200_000;
/**
 * A sample of 3,000 rows (https://www.postgresql.org/docs/18/sql-analyze.html): enough to tell an empty table from a full one, which
 * is all that our statements, which go by keys, depend on. With the server's own 100 each row was read twice while a table grew, and that
 * was an eighth of the database's work.
 */
const statisticsTarget = 10;

/** Analyses the tables of the schema that have outgrown what the planner knows of them. Answers their names. */
export async function analyzeYoungTables<Tables>(db: Kysely<Tables>, schema: string): Promise<string[]> {
  const grown = await sql<{ name: string }>`
    select relname as name from pg_class
    where relnamespace = ${schema}::regnamespace and relkind = 'r' and reltuples < ${rowsMax}
      and pg_stat_get_mod_since_analyze(oid) >= greatest(${rowsMin}, ${growth} * reltuples)`.execute(db);
  for (const { name } of grown.rows) {
    await db.transaction().execute(async (tx) => {
      await sql`set local default_statistics_target = ${sql.lit(statisticsTarget)}`.execute(tx);
      // Whoever analyses or changes it at this moment makes ours needless.
      await sql`analyze (skip_locked) ${sql.id(schema, name)}`.execute(tx);
    });
  }
  return grown.rows.map(({ name }) => name);
}
