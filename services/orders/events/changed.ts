// What orders tells the others of a change that is over, under the next number of its order.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { OrderChangedSchema, OrderChangeRefusedSchema } from "#gen/ordermesh/orders/events/v1/order_changed_pb.ts";
import { outgoing, type Cause, type OutgoingEvent } from "#runtime/events/outgoing.ts";
import type { Transaction } from "kysely";
import { endChange, saveContent, type ChangeRow, type OrderContent } from "../store/order-changes.ts";
import type { LockedOrder } from "../store/progress.ts";
import type { OrdersTables } from "../store/tables.ts";

/** Writes a change into a locked order, which is to be saved afterwards. Whoever watches it sees a step that leads nowhere else. */
export async function applyChange(
  tx: Transaction<OrdersTables>,
  order: LockedOrder,
  change: Pick<ChangeRow, "tenant" | "orderId" | "changeId" | "after">,
  now: Date,
): Promise<void> {
  const { state, timeline } = order.progress;
  await saveContent(tx, order, change.after);
  await endChange(tx, { ...change, state: "applied", reason: "", detail: "" }, now);
  const entry = { sequence: timeline.length + 1, state, time: now, reason: "CHANGED" };
  order.progress = { ...order.progress, timeline: [...timeline, entry] };
}

interface About {
  time: Date;
  cause: Cause;
}

type Told = Pick<ChangeRow, "changeId" | "before" | "after">;

export function orderChanged(order: LockedOrder, { changeId, before, after }: Told, about: About): OutgoingEvent {
  const { orderId, customerId } = order;
  const money = moneyOf(order);
  return outgoing(
    OrderChangedSchema,
    {
      orderId,
      changeId,
      customerId,
      lines: linesOf(order, after),
      subtotal: money(after.subtotal),
      shippingCost: money(after.shippingCost),
      total: money(after.total),
      ...taxesOf(order, after),
      previousTotal: money(before.total),
      shippingMethod: after.shippingMethod,
      ...(after.shippingAddress ? { shippingAddress: after.shippingAddress } : {}),
      changeTime: timestampFromDate(about.time),
    },
    envelopeOf(order, about),
  );
}

export function orderChangeRefused(
  order: LockedOrder,
  { changeId, before, reason, isAskedByCustomer }: Told & { reason: string; isAskedByCustomer: boolean },
  about: About,
): OutgoingEvent {
  const { orderId } = order;
  const refuseTime = timestampFromDate(about.time);
  return outgoing(
    OrderChangeRefusedSchema,
    { orderId, changeId, reason, refuseTime, lines: linesOf(order, before), isAskedByCustomer },
    envelopeOf(order, about),
  );
}

function envelopeOf(order: LockedOrder, about: About) {
  order.eventsSent += 1;
  return { tenant: order.tenant, sequence: order.eventsSent, ...about };
}

const moneyOf =
  ({ currencyCode }: LockedOrder) =>
  (minorUnits: number): { currencyCode: string; minorUnits: bigint } => ({ currencyCode, minorUnits: BigInt(minorUnits) });

const linesOf = (order: LockedOrder, { items }: OrderContent) =>
  items.map(({ sku, quantity, unitPrice, tax }) => ({
    sku,
    quantity: BigInt(quantity),
    unitPrice: moneyOf(order)(unitPrice),
    ...(tax && { tax: moneyOf(order)(tax.amount) }),
  }));

/** Nothing where nothing is taxed. */
function taxesOf(order: LockedOrder, { items, shippingTax, taxAdded }: OrderContent) {
  const amounts = [...items.map(({ tax }) => tax), shippingTax].flatMap((tax) => (tax ? [tax.amount] : []));
  if (amounts.length === 0) return {};
  const money = moneyOf(order);
  return { tax: money(amounts.reduce((sum, amount) => sum + amount, 0)), taxAdded: money(taxAdded) };
}
