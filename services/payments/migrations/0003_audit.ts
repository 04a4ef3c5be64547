// A refusal for good is a fact of the books, and what the audit goes through has indexes.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    alter table payment
      add column refused_work text check (refused_work in ('capture', 'void', 'refund')),
      add column refused_code text,
      add column undo_reason text,
      add constraint refusal_has_code check ((refused_work is null) = (refused_code is null))`.execute(db);
  await sql`
    alter table refund
      add column refusal_code text,
      drop constraint refund_state_check,
      add constraint refund_state_check check (state in ('DUE', 'DONE', 'REFUSED')),
      add constraint refused_refund_has_code check ((state = 'REFUSED') = (refusal_code is not null))`.execute(db);
  await sql`
    create index payment_held on payment (tenant_id, order_id)
    where authorized_minor_units > 0 and captured_minor_units = 0 and voided_minor_units = 0`.execute(db);
  // The provider's own books: its charges by time, and the key under which each was asked for.
  await sql`create index sandbox_charge_by_time on sandbox_charge (tenant_id, create_time, reference)`.execute(db);
  await sql`
    create index sandbox_operation_by_charge on sandbox_operation (tenant_id, reference) where kind = 'authorize'`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index sandbox_operation_by_charge, sandbox_charge_by_time, payment_held`.execute(db);
  // A refused refund has moved nothing, and its promise was taken back.
  await sql`delete from refund where state = 'REFUSED'`.execute(db);
  await sql`
    alter table refund
      drop constraint refused_refund_has_code,
      drop constraint refund_state_check,
      add constraint refund_state_check check (state in ('DUE', 'DONE')),
      drop column refusal_code`.execute(db);
  await sql`
    alter table payment
      drop constraint refusal_has_code, drop column undo_reason, drop column refused_code, drop column refused_work`.execute(db);
}
