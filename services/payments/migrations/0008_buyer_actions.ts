// Payments whose buyer has to act before money is held, and whose payment it is, so that it can be told the buyer alone.
import { sql, type Kysely } from "kysely";
import { isolateTenants } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  // Every row has passed stricter rules before, so nobody has to wait until all are looked at.
  await sql`
    alter table payment
      add column customer_id text not null default '',
      add column action jsonb,
      drop constraint payment_state_check,
      add constraint payment_state_check check (
        state in ('PENDING', 'ACTION_REQUIRED', 'AUTHORIZED', 'DECLINED', 'CAPTURED', 'VOIDED', 'REFUNDED')
      ) not valid,
      add constraint nothing_held_before_the_buyer_acts check (state <> 'ACTION_REQUIRED' or authorized_minor_units = 0) not valid,
      add constraint action_while_required check ((state = 'ACTION_REQUIRED') = (action is not null)) not valid`.execute(db);
  await sql`drop index payment_held`.execute(db);
  await sql`
    create index payment_held on payment (tenant_id, order_id)
    where state = 'ACTION_REQUIRED' or (authorized_minor_units > 0 and captured_minor_units = 0 and voided_minor_units = 0)`.execute(
    db,
  );
  // What the sandbox asks buyers, in its own books.
  await sql`
    alter table sandbox_operation
      drop constraint sandbox_operation_outcome_check,
      add constraint sandbox_operation_outcome_check
        check (outcome in ('AUTHORIZED', 'DECLINED', 'CHALLENGED', 'DONE', 'UNREACHABLE')) not valid`.execute(db);
  await sql`
    create table sandbox_challenge (
      tenant_id text not null,
      client_secret text not null,
      reference text not null,
      currency_code text not null,
      amount_minor_units bigint not null check (amount_minor_units > 0),
      -- Whatever the buyer answers, its bank refuses.
      fails boolean not null,
      state text not null check (state in ('OPEN', 'APPROVED', 'FAILED', 'CANCELLED')),
      primary key (tenant_id, reference),
      unique (client_secret, tenant_id)
    )`.execute(db);
  await isolateTenants(db, ["sandbox_challenge"]);
}

/** Fails where a buyer has to act. */
export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table sandbox_challenge`.execute(db);
  await sql`
    alter table sandbox_operation
      drop constraint sandbox_operation_outcome_check,
      add constraint sandbox_operation_outcome_check
        check (outcome in ('AUTHORIZED', 'DECLINED', 'DONE', 'UNREACHABLE'))`.execute(db);
  await sql`drop index payment_held`.execute(db);
  await sql`
    alter table payment
      drop constraint action_while_required,
      drop constraint nothing_held_before_the_buyer_acts,
      drop constraint payment_state_check,
      add constraint payment_state_check check (state in ('PENDING', 'AUTHORIZED', 'DECLINED', 'CAPTURED', 'VOIDED', 'REFUNDED')),
      drop column action,
      drop column customer_id`.execute(db);
  await sql`
    create index payment_held on payment (tenant_id, order_id)
    where authorized_minor_units > 0 and captured_minor_units = 0 and voided_minor_units = 0`.execute(db);
}
