// Money is taken in parts, one for each parcel that leaves, and an order may come to cost less than is held for it.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // Of payments that were opened before the lines are not known.
  await sql`
    alter table payment
      add column lines jsonb not null default '[]',
      add column parcels jsonb not null default '[]',
      add column captures_due jsonb not null default '[]',
      add column captures_done integer not null default 0`.execute(db);
  await sql`
    update payment
    set captures_due = jsonb_build_array(jsonb_build_object('amount', coalesce(cost_minor_units, amount_minor_units), 'isFinal', true))
    where state = 'AUTHORIZED' and capture_requested`.execute(db);
  await sql`
    alter table payment
      drop constraint taken_or_voided_not_both,
      drop column capture_requested,
      add constraint taken_or_voided_not_both check (captures_due = '[]' or void_reason is null) not valid,
      drop constraint payment_void_reason_check,
      add constraint payment_void_reason_check check (void_reason in ('CANCELLED', 'DEADLINE', 'REST')) not valid`.execute(db);
  await sql`drop index ledger_entry_once`.execute(db);
  await sql`
    create unique index ledger_entry_once on ledger_entry (order_id, tenant_id, type)
    where type not in ('REFUND', 'CAPTURE')`.execute(db);
  await sql`drop index payment_held`.execute(db);
  await sql`
    create index payment_held on payment (tenant_id, order_id)
    where state = 'ACTION_REQUIRED' or authorized_minor_units > captured_minor_units + voided_minor_units`.execute(db);
}

/** Fails where money was taken in parts, or a rest is on its way back. */
export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index payment_held`.execute(db);
  await sql`
    create index payment_held on payment (tenant_id, order_id)
    where state = 'ACTION_REQUIRED' or (authorized_minor_units > 0 and captured_minor_units = 0 and voided_minor_units = 0)`.execute(
    db,
  );
  await sql`drop index ledger_entry_once`.execute(db);
  await sql`create unique index ledger_entry_once on ledger_entry (order_id, tenant_id, type) where type <> 'REFUND'`.execute(db);
  await sql`
    alter table payment
      drop constraint taken_or_voided_not_both,
      drop constraint payment_void_reason_check,
      add constraint payment_void_reason_check check (void_reason in ('CANCELLED', 'DEADLINE')),
      add column capture_requested boolean not null default false`.execute(db);
  await sql`update payment set capture_requested = true where captures_due <> '[]' or captured_minor_units > 0`.execute(db);
  await sql`
    alter table payment
      alter column capture_requested drop default,
      add constraint taken_or_voided_not_both check (not (capture_requested and void_reason is not null)),
      drop column captures_done, drop column captures_due, drop column parcels, drop column lines`.execute(db);
}
