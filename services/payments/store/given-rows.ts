// Rows that a statement is given as JSON.
import { sql, type RawBuilder } from "kysely";

/**
 * The rows as a table of the given one's shape. The limit is for the planner alone: without it it expects a hundred rows, and then
 * reads the whole of a table of some hundred to find the few that are given.
 */
export function givenRows(table: "payment" | "ledger_entry" | "refund", rows: readonly object[]): RawBuilder<unknown> {
  return sql`(select * from json_populate_recordset(null::${sql.ref(table)}, ${JSON.stringify(rows)}) limit ${rows.length})`;
}
