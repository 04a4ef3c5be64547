// Letters are changed by one transaction at a time: whoever files, sends and closes many of them would otherwise lock
// them in different orders, and two who file the same failure would make two letters.
import { sql, type Transaction } from "kysely";

export async function takeTurn<Tables>(tx: Transaction<Tables>): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('operations.letters'))`.execute(tx);
}
