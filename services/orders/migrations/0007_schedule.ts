// Orders that begin later, that come first, and in which the buyer says something.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // No order is of the new kinds yet, so nobody has to wait until all are looked at.
  await sql`
    alter table orders
      drop constraint orders_state_check,
      add constraint orders_state_check
        check (state in ('scheduled', 'pending', 'pending_shipment', 'shipped', 'delivered', 'cancelled')) not valid,
      -- Nothing is told of an order before it begins.
      drop constraint orders_events_sent_check,
      add constraint orders_events_sent_check check (events_sent >= 1 or (events_sent = 0 and state = 'scheduled')) not valid,
      add column priority text not null default 'NORMAL',
      add constraint orders_priority_check check (priority in ('NORMAL', 'RUSH')) not valid,
      add column process_after timestamptz,
      add constraint the_scheduled_have_a_time check (process_after is not null or state <> 'scheduled') not valid,
      add column note text not null default '',
      add constraint no_note_in_the_erased check (erase_time is null or note = '') not valid,
      add column screening jsonb,
      add constraint screening_is_told_and_gone check (screening is null or state = 'scheduled') not valid`.execute(db);
  await sql`drop index orders_open`.execute(db);
  await sql`
    create index orders_open on orders (tenant_id, order_id)
    where state in ('scheduled', 'pending', 'pending_shipment', 'shipped')`.execute(db);
  await sql`create index orders_rush on orders (priority, tenant_id, order_id) where priority = 'RUSH'`.execute(db);
}

/** Fails where an order is scheduled. */
export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index orders_rush, orders_open`.execute(db);
  await sql`
    alter table orders
      drop column screening, drop column note, drop column process_after, drop column priority,
      drop constraint orders_events_sent_check, add constraint orders_events_sent_check check (events_sent >= 1),
      drop constraint orders_state_check,
      add constraint orders_state_check
        check (state in ('pending', 'pending_shipment', 'shipped', 'delivered', 'cancelled'))`.execute(db);
  await sql`
    create index orders_open on orders (tenant_id, order_id)
    where state in ('pending', 'pending_shipment', 'shipped')`.execute(db);
}
