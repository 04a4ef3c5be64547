// Payments, their ledger and their refunds. What must never happen to money, the database refuses as well.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table payment (
      tenant_id text not null,
      order_id text not null,
      payment_id text not null,
      state text not null
        check (state in ('PENDING', 'AUTHORIZED', 'DECLINED', 'CAPTURED', 'VOIDED', 'REFUNDED')),
      currency_code text not null check (currency_code ~ '^[A-Z]{3}$'),
      amount_minor_units bigint not null check (amount_minor_units > 0),
      authorized_minor_units bigint not null,
      voided_minor_units bigint not null,
      captured_minor_units bigint not null,
      refund_booked_minor_units bigint not null,
      refunded_minor_units bigint not null,
      decline_code text,
      payment_token text,
      deadline timestamptz not null,
      ask_time timestamptz,
      provider_reference text,
      cancel_requested boolean not null,
      capture_requested boolean not null,
      void_reason text check (void_reason in ('CANCELLED', 'DEADLINE')),
      sequence bigint not null check (sequence >= 0),
      version bigint not null,
      due_event_id text not null,
      create_time timestamptz not null,
      update_time timestamptz not null,
      primary key (tenant_id, order_id),
      unique (tenant_id, payment_id),
      constraint held_within_amount check (authorized_minor_units between 0 and amount_minor_units),
      constraint taken_or_given_back_once check (
        captured_minor_units >= 0 and voided_minor_units >= 0
        and captured_minor_units + voided_minor_units <= authorized_minor_units
      ),
      constraint captured_within_amount check (captured_minor_units <= amount_minor_units),
      constraint refunds_within_capture check (
        0 <= refunded_minor_units
        and refunded_minor_units <= refund_booked_minor_units
        and refund_booked_minor_units <= captured_minor_units
      ),
      constraint state_and_money_agree check (
        case state
          when 'PENDING' then authorized_minor_units = 0
          when 'AUTHORIZED' then authorized_minor_units > 0 and captured_minor_units = 0 and voided_minor_units = 0
          when 'CAPTURED' then captured_minor_units > refunded_minor_units
          when 'REFUNDED' then captured_minor_units > 0 and captured_minor_units = refunded_minor_units
          when 'VOIDED' then captured_minor_units = 0 and voided_minor_units = authorized_minor_units
          else captured_minor_units = 0
        end
      ),
      constraint decline_has_code check ((state = 'DECLINED') = (decline_code is not null)),
      constraint held_money_has_reference check (authorized_minor_units = 0 or provider_reference is not null),
      constraint token_kept_only_while_needed check (state = 'PENDING' or payment_token is null),
      constraint taken_or_voided_not_both check (not (capture_requested and void_reason is not null))
    )`.execute(db);

  // Orders that were cancelled before their payment was asked for.
  await sql`
    create table cancelled_order (
      tenant_id text not null,
      order_id text not null,
      cancel_time timestamptz not null,
      primary key (tenant_id, order_id)
    )`.execute(db);

  await sql`
    create table refund (
      tenant_id text not null,
      refund_id text not null,
      order_id text not null,
      amount_minor_units bigint not null check (amount_minor_units > 0),
      reason text not null,
      state text not null check (state in ('DUE', 'DONE')),
      create_time timestamptz not null,
      primary key (tenant_id, refund_id),
      foreign key (tenant_id, order_id) references payment
    )`.execute(db);
  await sql`create index refund_by_order on refund (tenant_id, order_id)`.execute(db);

  // A request_id, what was asked under it, and what was answered.
  await sql`
    create table refund_request (
      tenant_id text not null,
      request_id text not null,
      content_hash text not null,
      answer bytea,
      create_time timestamptz not null,
      primary key (tenant_id, request_id)
    )`.execute(db);

  await sql`
    create table ledger_entry (
      tenant_id text not null,
      entry_id text not null,
      order_id text not null,
      type text not null check (type in ('AUTHORIZATION', 'CAPTURE', 'VOID', 'REFUND')),
      amount_minor_units bigint not null check (amount_minor_units > 0),
      provider_reference text not null check (provider_reference <> ''),
      create_time timestamptz not null,
      primary key (tenant_id, entry_id),
      foreign key (tenant_id, order_id) references payment
    )`.execute(db);
  await sql`create index ledger_entry_by_order on ledger_entry (tenant_id, order_id)`.execute(db);
  await sql`
    create unique index ledger_entry_once on ledger_entry (tenant_id, order_id, type) where type <> 'REFUND'`.execute(db);
  await sql`
    create function refuse_ledger_change() returns trigger language plpgsql as $$
    begin
      raise exception 'the ledger is append-only';
    end $$`.execute(db);
  await sql`
    create trigger ledger_entry_append_only before update or delete or truncate on ledger_entry
    for each statement execute function refuse_ledger_change()`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table ledger_entry, refund_request, refund, cancelled_order, payment`.execute(db);
  await sql`drop function refuse_ledger_change`.execute(db);
}
