// Takes erased customers out of orders that are final, and tells it.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Transaction } from "kysely";
import { OrderErasedSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, type Cause } from "#runtime/events/outgoing.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import type { Announced } from "./announced.ts";
import {
  customerKeyOf,
  eraseKind,
  eraseOrders,
  eraseOrdersOf,
  findErased,
  type CustomerKey,
  type ErasedOrder,
} from "../store/erasures.ts";
import { eraseChanges } from "../store/order-changes.ts";
import type { OrdersTables } from "../store/tables.ts";

const ordersAtOnce = 500;

export async function planErasures(
  tx: Transaction<OrdersTables>,
  customers: readonly (CustomerKey & { cause: Cause })[],
): Promise<void> {
  await planDue(
    tx,
    customers.map(({ tenant, customerId, cause }) => ({ kind: eraseKind, tenant, key: customerId, due: { inMs: 0 }, cause })),
  );
}

/** Orders that were final before. Answers whether there may be more. */
export async function eraseFinal(
  tx: Transaction<OrdersTables>,
  customer: CustomerKey,
  { now, cause }: { now: Date; cause: Cause },
): Promise<boolean> {
  const erased = await eraseOrdersOf(tx, customer, { rowsMax: ordersAtOnce, now });
  await eraseChanges(tx, erased);
  await appendEvents(
    tx,
    erased.map((order) => eventOf(order, { now, cause })),
  );
  return erased.length === ordersAtOnce;
}

const isFinal = ({ announcement }: Announced): boolean =>
  announcement === "delivered" || announcement === "returned" || announcement === "cancelled";

/** Asks before orders become final, so that the answer is there with the rest: which of them are of erased customers. */
export async function erasedAmong(tx: Transaction<OrdersTables>, announced: readonly Announced[]): Promise<Announced[]> {
  const final = announced.filter(isFinal);
  const erased = await findErased(
    tx,
    final.map(({ order }) => order),
  );
  return final.filter(({ order }) => erased.has(customerKeyOf(order)));
}

/** Orders that have just become final and are saved. */
export async function eraseAnnounced(tx: Transaction<OrdersTables>, final: readonly Announced[], now: Date): Promise<void> {
  if (final.length === 0) return;
  const causes = new Map(final.map(({ order, cause }) => [order.orderId, cause]));
  const erased = await eraseOrders(
    tx,
    final.map(({ order }) => order),
    now,
  );
  await eraseChanges(tx, erased);
  await appendEvents(
    tx,
    erased.flatMap((order) => {
      const cause = causes.get(order.orderId);
      return cause ? [eventOf(order, { now, cause })] : [];
    }),
  );
}

function eventOf({ tenant, orderId, customerId, eventsSent }: ErasedOrder, { now, cause }: { now: Date; cause: Cause }) {
  const message = { orderId, customerId, eraseTime: timestampFromDate(now) };
  return outgoing(OrderErasedSchema, message, { tenant, sequence: eventsSent, time: now, cause });
}
