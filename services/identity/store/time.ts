// The time by which everything here is judged: the database's, because instances compare.
import { sql, type Transaction } from "kysely";
import { givenTimeOf } from "#runtime/database/given-time.ts";
import type { IdentityTables } from "./tables.ts";

export async function readNow(tx: Transaction<IdentityTables>): Promise<Date> {
  const given = givenTimeOf(tx);
  if (given) return given;
  const read = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(tx);
  const [row] = read.rows;
  if (!row) throw new Error("the database does not tell the time");
  return row.now;
}
