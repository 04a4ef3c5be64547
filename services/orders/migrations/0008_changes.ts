// The changes of all orders can be followed in the order of their commits.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // The transaction of the step, or that of the step before it where that began later. What was there before has none: nobody
  // followed it. The default comes after the column, so that no row has to be written anew.
  await sql`alter table order_timeline add column xid xid8`.execute(db);
  await sql`alter table order_timeline alter column xid set default pg_current_xact_id()`.execute(db);
  await sql`
    create index order_timeline_by_commit on order_timeline (xid, order_id collate "C", sequence) where xid is not null`.execute(
    db,
  );
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index order_timeline_by_commit`.execute(db);
  await sql`alter table order_timeline drop column xid`.execute(db);
}
