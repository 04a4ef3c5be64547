// What inventory hears: products bring stock, orders hold it, parcels take it away.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import {
  OrderChangedSchema,
  OrderChangeRefusedSchema,
  type OrderChanged,
  type OrderChangeRefused,
} from "#gen/ordermesh/orders/events/v1/order_changed_pb.ts";
import { OrderCreatedSchema as OrderCreatedV1Schema } from "#gen/ordermesh/orders/events/v1/order_created_pb.ts";
import { OrderCancelledSchema, OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { ReturnReceivedSchema } from "#gen/ordermesh/orders/events/v1/return_events_pb.ts";
import { OrderCreatedSchema, type OrderCreated } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { ShipmentDispatchedSchema, type ShipmentDispatched } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import type { Clock } from "#runtime/clock.ts";
import { hear, hearFacts, tells, type Hearing, type ReceivedEvent } from "#runtime/events/hearing.ts";
import { raiseOrderCreatedV1 } from "../../upcasts/order-created.ts";
import type { OrderChange } from "../domain/reservation.ts";
import type { OrderFact } from "../domain/settle.ts";
import { sumPerSku } from "../domain/stock.ts";
import type { InventoryTables } from "../store/tables.ts";
import { bookReturns } from "./book-returns.ts";
import { bookFirstStock } from "./first-stock.ts";
import type { SettleFacts } from "./settle-facts.ts";

/** How long stock is held for an order that does not say until when, as the first version of OrderCreated may not. */
const holdMsWithoutExpiry = 15 * 60_000;

export function inventoryHears(deps: { settleFacts: SettleFacts; clock: Clock; lowStockThreshold: number }): Hearing[] {
  const { settleFacts, clock, lowStockThreshold } = deps;

  return [
    hear<typeof ProductCreatedSchema, InventoryTables>({
      name: "inventory.first_stock",
      event: ProductCreatedSchema,
      handle: (tx, events) => bookFirstStock(tx, { events, lowStockThreshold, now: clock.now() }),
    }),
    hear<typeof ReturnReceivedSchema, InventoryTables>({
      name: "inventory.book_return",
      event: ReturnReceivedSchema,
      handle: (tx, events) => bookReturns(tx, events, clock.now()),
    }),
    hearFacts<InventoryTables, Told>({
      name: "inventory.settle",
      tellings: [
        tells(OrderCreatedSchema, orderCreated),
        tells(OrderCreatedV1Schema, (old) => orderCreated(raiseOrderCreatedV1(old))),
        tells(OrderChangedSchema, linesNow),
        tells(OrderChangeRefusedSchema, linesNow),
        tells(OrderReadySchema, () => ({ kind: "ready" })),
        tells(OrderCancelledSchema, () => ({ kind: "cancelled" })),
        tells(ShipmentDispatchedSchema, dispatched),
      ],
      handle: (tx, events) => settleFacts(tx, events.map(factOf)),
    }),
  ];
}

type Created = Extract<OrderChange, { kind: "created" }>;

/** A change as its event tells it; an old OrderCreated may not say until when to hold. */
type Told = Exclude<OrderChange, Created> | (Omit<Created, "expireTime"> & { expireTime: Date | undefined });

function orderCreated({ lines, expireTime }: OrderCreated): Told {
  const wanted = sumPerSku(lines.map(({ sku, quantity }) => ({ sku, quantity: Number(quantity) })));
  return { kind: "created", lines: wanted, expireTime: expireTime && timestampDate(expireTime) };
}

/** Both say what the order's lines are from then on. */
const linesNow = ({ changeId, lines }: OrderChanged | OrderChangeRefused): Told => ({
  kind: "changed",
  changeId,
  lines: sumPerSku(lines.map(({ sku, quantity }) => ({ sku, quantity: Number(quantity) }))),
});

/** One parcel is the whole order, whatever it says; of several each says what is in it. */
function dispatched({ shipmentId, lines, parcels }: ShipmentDispatched): Told {
  if (parcels.length < 2) return { kind: "dispatched" };
  const units = sumPerSku(lines.map(({ sku, quantity }) => ({ sku, quantity: Number(quantity) })));
  return { kind: "dispatched", part: { shipmentId, lines: units } };
}

/** The key of every event of an order is the order's id. */
function factOf({ tenant, key, time, cause, message }: ReceivedEvent<Told>): OrderFact {
  const fact = { tenant, orderId: key, cause };
  if (message.kind !== "created") return { ...fact, change: message };
  return { ...fact, change: { ...message, expireTime: message.expireTime ?? new Date(time.getTime() + holdMsWithoutExpiry) } };
}
