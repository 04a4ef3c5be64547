// Payments may wait for the buyer.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // Every row has passed a stricter rule before, so nobody has to wait until all are looked at.
  await sql`
    alter table order_services
      drop constraint order_services_payment_status_check,
      add constraint order_services_payment_status_check check (
        payment_status in ('pending', 'action_required', 'declined', 'authorized', 'captured', 'voided', 'refunded')
      ) not valid`.execute(db);
}

/** Fails where a payment waits for its buyer. */
export async function down(db: Kysely<never>): Promise<void> {
  await sql`
    alter table order_services
      drop constraint order_services_payment_status_check,
      add constraint order_services_payment_status_check
        check (payment_status in ('pending', 'declined', 'authorized', 'captured', 'voided', 'refunded'))`.execute(db);
}
