// Removes what has ended.
import { sql, type Transaction } from "kysely";
import type { IdentityTables } from "./tables.ts";

/** Removes at most so many rows of each table, and answers whether there may be more. */
export async function deleteExpired(
  tx: Transaction<IdentityTables>,
  { now, attemptsBefore, rowsMax }: { now: Date; attemptsBefore: Date; rowsMax: number },
): Promise<boolean> {
  const deletions = [
    sql`delete from session where session_id in (
      select session_id from session where expire_time <= ${now} order by expire_time limit ${rowsMax} for update skip locked
    )`,
    sql`delete from revocation where revoked_id in (
      select revoked_id from revocation where expire_time <= ${now} order by expire_time limit ${rowsMax} for update skip locked
    )`,
    sql`delete from sign_in_attempts where (tenant_id, login_hash) in (
      select tenant_id, login_hash from sign_in_attempts
      where last_time <= ${attemptsBefore} order by last_time limit ${rowsMax} for update skip locked
    )`,
    sql`delete from stream_ticket where ticket_hash in (
      select ticket_hash from stream_ticket where expire_time <= ${now} order by expire_time limit ${rowsMax} for update skip locked
    )`,
    sql`delete from client_secret where secret_hash in (
      select secret_hash from client_secret where expire_time <= ${now} limit ${rowsMax} for update skip locked
    )`,
  ];
  let isMore = false;
  for (const deletion of deletions) {
    const { numAffectedRows = 0n } = await deletion.execute(tx);
    isMore ||= numAffectedRows >= BigInt(rowsMax);
  }
  return isMore;
}
