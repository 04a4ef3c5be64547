// A new product's variants get their stock, once.
import type { Transaction } from "kysely";
import type { ProductCreated } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import type { ReceivedEvent } from "#runtime/events/hearing.ts";
import { keyOf } from "../domain/settle.ts";
import { insertMovements } from "../store/movements.ts";
import { insertStock } from "../store/stock.ts";
import type { InventoryTables } from "../store/tables.ts";

/** SKUs that have stock already are left as they are: this is a repeat, or the catalogue let a SKU in twice. */
export async function bookFirstStock(
  tx: Transaction<InventoryTables>,
  { events, lowStockThreshold, now }: { events: readonly ReceivedEvent<ProductCreated>[]; lowStockThreshold: number; now: Date },
): Promise<void> {
  const first = new Map(
    events
      .flatMap(({ tenant, message }) =>
        message.variants.map(({ sku, initialStock }) => ({
          tenant,
          sku,
          quantity: Number(initialStock),
          lowStockThreshold,
          reason: `first stock of ${message.productId}`,
        })),
      )
      // The first mention of a SKU counts: a map keeps the last.
      .toReversed()
      .map((stock) => [keyOf(stock.tenant, stock.sku), stock]),
  );
  const inserted = await insertStock(tx, [...first.values()], now);
  const booked = inserted.flatMap(({ tenant, sku }) => {
    const stock = first.get(keyOf(tenant, sku));
    // A SKU that starts with nothing has no movement yet: on hand did not change.
    return stock && stock.quantity > 0
      ? [{ tenant, sku, type: "INITIAL" as const, quantity: stock.quantity, reason: stock.reason }]
      : [];
  });
  await insertMovements(tx, booked, now);
}
