// What the books must say of an order that is being changed, or of which something came back. Pure; suspicions, as in audit-orders.ts.
import type { Finding } from "./audit.ts";
import type { OrderBooks, PaymentBooks, ReservationBooks, ShipmentBooks } from "./audit-orders.ts";

/** A change that is neither applied nor refused though its time is over. */
export function auditChange(order: OrderBooks, { now, graceMs }: { now: Date; graceMs: number }): Finding | undefined {
  const { orderId: key, state, changeUntil } = order;
  if (!changeUntil || now.getTime() - changeUntil.getTime() <= graceMs) return undefined;
  return {
    check: "orders.changes",
    key,
    message: "its change is neither applied nor refused, and the time for that is over",
    figures: { order_state: state, change_until: changeUntil.toISOString() },
  };
}

/** The parcel of a cancelled order does not leave anyway. */
export function auditHold(
  { orderId: key, state, isChanging }: OrderBooks,
  shipment: ShipmentBooks | undefined,
): Finding | undefined {
  const heldBy = shipment?.heldByChangeId ?? "";
  if (heldBy === "" || isChanging || state === "CANCELLED") return undefined;
  return {
    check: "orders.holds",
    key,
    message: "its parcel is held by a change that is not under way, and will not leave",
    figures: { order_state: state, change_id: heldBy },
  };
}

/** Each return is asked for once; that no more is given back than was taken is a bound of the payment. */
export function auditReturnRefund(order: OrderBooks, payment: PaymentBooks | undefined): Finding | undefined {
  const { orderId: key, returnRefund: promised, currencyCode: currency } = order;
  const asked = payment?.returnRefund ?? 0;
  if (promised === asked) return undefined;
  return {
    check: "orders.returns",
    key,
    message:
      promised > asked
        ? "what its returns promise was not asked of payments"
        : "payments was asked for more than its returns promise",
    figures: { currency, promised: String(promised), asked: String(asked), refunded: String(payment?.refunded ?? 0) },
  };
}

export function auditRestocked(order: OrderBooks, reservation: ReservationBooks | undefined): Finding | undefined {
  const { orderId: key, restockedUnits: restocked } = order;
  const returned = reservation?.returnedUnits ?? 0;
  if (restocked === returned) return undefined;
  return {
    check: "orders.restocked",
    key,
    message: "other units are on hand again than came back and can be sold",
    figures: { restocked: String(restocked), on_hand_again: String(returned) },
  };
}
