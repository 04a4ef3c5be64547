// How much of a table was looked at: what shows whether a statement stays quick as the table grows, without a clock.
import { sql, type Transaction } from "kysely";

/** Rows of a table and of its partitions that the connection of the transaction has read so far; differences count. */
export async function rowsReadFrom<Tables>(tx: Transaction<Tables>, table: string): Promise<number> {
  const counted = await sql<{ read: number }>`
    select coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint as read from pg_stat_xact_user_tables
    where relid in (select relid from pg_partition_tree(${table}::regclass) union select ${table}::regclass)`.execute(tx);
  return counted.rows[0]?.read ?? 0;
}
