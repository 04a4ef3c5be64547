// What was long ago is forgotten.
import { sql, type Transaction } from "kysely";
import type { NotificationsTables } from "./tables.ts";

/** Answers whether there is more to remove. */
export async function deleteExpired(
  tx: Transaction<NotificationsTables>,
  { before, deliveriesBefore, rowsMax }: { before: Date; deliveriesBefore: Date; rowsMax: number },
): Promise<boolean> {
  const notifications = await sql`
    delete from notification where (tenant_id, notification_id) in (
      select tenant_id, notification_id from notification
      where create_time < ${before} and state not in ('PLANNED', 'SENDING')
      order by create_time limit ${rowsMax}
    )`.execute(tx);
  const orders = await sql`
    delete from heard_order where (tenant_id, order_id) in (
      select tenant_id, order_id from heard_order where hear_time < ${before} order by hear_time limit ${rowsMax}
    )`.execute(tx);
  const deliveries = await sql`
    delete from webhook_delivery where (tenant_id, delivery_id) in (
      select tenant_id, delivery_id from webhook_delivery
      where create_time < ${deliveriesBefore} and state <> 'PENDING' order by create_time limit ${rowsMax}
    )`.execute(tx);
  return [notifications, orders, deliveries].some(({ numAffectedRows = 0n }) => numAffectedRows >= BigInt(rowsMax));
}
