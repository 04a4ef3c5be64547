// The sandbox provider's own books. Nothing refers from here to our tables, nor from there to these.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table sandbox_operation (
      tenant_id text not null,
      idempotency_key text not null,
      kind text not null check (kind in ('authorize', 'capture', 'void', 'refund')),
      fingerprint text not null,
      outcome text check (outcome in ('AUTHORIZED', 'DECLINED', 'DONE', 'UNREACHABLE')),
      reference text,
      code text,
      create_time timestamptz not null default now(),
      primary key (tenant_id, idempotency_key)
    )`.execute(db);
  await sql`
    create table sandbox_charge (
      tenant_id text not null,
      reference text not null,
      currency_code text not null,
      authorized_minor_units bigint not null check (authorized_minor_units > 0),
      captured_minor_units bigint not null default 0 check (captured_minor_units >= 0),
      voided_minor_units bigint not null default 0 check (voided_minor_units >= 0),
      refunded_minor_units bigint not null default 0,
      create_time timestamptz not null default now(),
      primary key (tenant_id, reference),
      check (captured_minor_units + voided_minor_units <= authorized_minor_units),
      check (refunded_minor_units between 0 and captured_minor_units)
    )`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table sandbox_charge, sandbox_operation`.execute(db);
}
