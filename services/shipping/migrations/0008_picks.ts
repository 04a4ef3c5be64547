// What waits at the shelves, in the order in which it is to be packed, and who has taken it.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    alter table shipment
      add column priority text not null default 'NORMAL' check (priority in ('NORMAL', 'RUSH')),
      add column lines jsonb not null default '[]',
      add column pick_worker text not null default '',
      add column pick_until timestamptz,
      add column pack_time timestamptz,
      add constraint a_worker_has_a_time check ((pick_worker <> '') = (pick_until is not null)),
      add constraint a_worker_packs check (pack_time is null or pick_worker <> '')`.execute(db);
  // Parcels that wait are few beside all that ever were. Of those only as many are read as are asked for.
  await sql`
    create index shipment_pick_queue on shipment (tenant_id, (priority <> 'RUSH'), create_time, order_id)
    where state = 'CREATED' and pack_time is null`.execute(db);
  await sql`
    create index shipment_picks_of_worker on shipment (tenant_id, pick_worker)
    where state = 'CREATED' and pack_time is null and pick_worker <> ''`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index shipment_picks_of_worker, shipment_pick_queue`.execute(db);
  await sql`
    alter table shipment
      drop constraint a_worker_packs,
      drop constraint a_worker_has_a_time,
      drop column pack_time,
      drop column pick_until,
      drop column pick_worker,
      drop column lines,
      drop column priority`.execute(db);
}
