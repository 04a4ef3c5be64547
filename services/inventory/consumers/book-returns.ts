// What came back of an order and can be sold again is on hand again, once for each return.
import type { Transaction } from "kysely";
import type { ReturnReceived } from "#gen/ordermesh/orders/events/v1/return_events_pb.ts";
import { RefusedEvent, type ReceivedEvent } from "#runtime/events/hearing.ts";
import { keyOf } from "../domain/settle.ts";
import { changeUnits } from "../domain/stock.ts";
import { findBookedReturns, insertMovements, type NewMovement } from "../store/movements.ts";
import { lockStock, saveStock } from "../store/stock.ts";
import type { InventoryTables } from "../store/tables.ts";

export async function bookReturns(
  tx: Transaction<InventoryTables>,
  events: readonly ReceivedEvent<ReturnReceived>[],
  now: Date,
): Promise<void> {
  const movements = events.flatMap(({ tenant, key: orderId, message: { returnId, restocked } }) =>
    restocked.map(({ sku, quantity }): NewMovement & { returnId: string } => ({
      tenant,
      sku,
      type: "RETURN",
      quantity: Number(quantity),
      reason: "came back from an order",
      orderId,
      returnId,
    })),
  );
  const before = new Map((await lockStock(tx, movements)).map((stock) => [keyOf(stock.tenant, stock.sku), stock]));
  // Under the lock of the stock: whoever has booked one has committed.
  const booked = await findBookedReturns(tx, movements);
  const fresh = movements.filter(({ tenant, returnId }) => !booked.has(keyOf(tenant, returnId)));
  const after = new Map(before);
  for (const { tenant, sku, quantity } of fresh) {
    const stock = after.get(keyOf(tenant, sku));
    if (!stock) throw new RefusedEvent("SKU_UNKNOWN", `there are no stock records of SKU ${sku}`);
    after.set(keyOf(tenant, sku), changeUnits(stock, { onHand: quantity, reserved: 0 }).stock);
  }
  const changed = [...before].flatMap(([key, old]) => {
    const stock = after.get(key);
    return stock && stock !== old ? [{ before: old, after: stock }] : [];
  });
  await Promise.all([saveStock(tx, changed, now), insertMovements(tx, fresh, now)]);
}
