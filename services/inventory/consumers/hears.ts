// What inventory hears: products bring stock, orders hold it, parcels take it away.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { OrderCreatedSchema as OrderCreatedV1Schema } from "#gen/ordermesh/orders/events/v1/order_created_pb.ts";
import { OrderCancelledSchema, OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderCreatedSchema, type OrderCreated } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { ShipmentDispatchedSchema } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import type { Clock } from "#runtime/clock.ts";
import { hear, older, type Hearing, type OlderVersion, type ReceivedEvent } from "#runtime/events/hearing.ts";
import { raiseOrderCreatedV1 } from "../../upcasts/order-created.ts";
import type { OrderChange } from "../domain/reservation.ts";
import { sumPerSku } from "../domain/stock.ts";
import type { InventoryTables } from "../store/tables.ts";
import { bookFirstStock } from "./first-stock.ts";
import type { SettleFacts } from "./settle-facts.ts";

/** How long stock is held for an order that does not say until when, as the first version of OrderCreated may not. */
const holdMsWithoutExpiry = 15 * 60_000;

export function inventoryHears(deps: { settleFacts: SettleFacts; clock: Clock; lowStockThreshold: number }): Hearing[] {
  const { settleFacts, clock, lowStockThreshold } = deps;

  /** Hears an event of an order, whose key is the order's id. */
  const hearOrder = <Desc extends DescMessage>(hearing: {
    name: string;
    event: Desc;
    older?: OlderVersion<MessageShape<Desc>>[];
    change(event: ReceivedEvent<MessageShape<Desc>>): OrderChange;
  }): Hearing =>
    hear<Desc, InventoryTables>({
      ...hearing,
      handle: (tx, events) =>
        settleFacts(
          tx,
          events.map((event) => ({
            tenant: event.tenant,
            orderId: event.key,
            change: hearing.change(event),
            cause: event.cause,
          })),
        ),
    });

  return [
    hear<typeof ProductCreatedSchema, InventoryTables>({
      name: "inventory.first_stock",
      event: ProductCreatedSchema,
      handle: (tx, events) => bookFirstStock(tx, { events, lowStockThreshold, now: clock.now() }),
    }),
    hearOrder({
      name: "inventory.reserve",
      event: OrderCreatedSchema,
      older: [older(OrderCreatedV1Schema, raiseOrderCreatedV1)],
      change: orderCreated,
    }),
    hearOrder({ name: "inventory.make_firm", event: OrderReadySchema, change: () => ({ kind: "ready" }) }),
    hearOrder({ name: "inventory.release", event: OrderCancelledSchema, change: () => ({ kind: "cancelled" }) }),
    hearOrder({ name: "inventory.ship", event: ShipmentDispatchedSchema, change: () => ({ kind: "dispatched" }) }),
  ];
}

function orderCreated({ message, time }: ReceivedEvent<OrderCreated>): OrderChange {
  const lines = message.lines.map(({ sku, quantity }) => ({ sku, quantity: Number(quantity) }));
  const expireTime = message.expireTime ? timestampDate(message.expireTime) : new Date(time.getTime() + holdMsWithoutExpiry);
  return { kind: "created", lines: sumPerSku(lines), expireTime };
}
