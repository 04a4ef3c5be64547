// Money is taken as the goods leave: for each parcel its part, and with the last one all that the order still costs.
import { refundExcess } from "./refund.ts";
import { change, heldOf, type Change, type Parcel, type Payment } from "./payment.ts";

export const promisedOf = ({ capturesDue }: Pick<Payment, "capturesDue">): number =>
  capturesDue.reduce((sum, { amount }) => sum + amount, 0);

/** What is still to be taken, once what is due has been. */
export const leftToTake = (payment: Payment): number => payment.cost - payment.captured - promisedOf(payment);

export function needsCapture({ authorized, capturesDue, refusedWork }: Payment): boolean {
  return authorized > 0 && capturesDue.length > 0 && refusedWork !== "capture";
}

/** The key of the capture that is due next: the first one's has been so since there was but one. */
export const captureKey = ({ paymentId, capturesDone }: Pick<Payment, "paymentId" | "capturesDone">): string =>
  capturesDone === 0 ? `${paymentId}:capture` : `${paymentId}:capture:${capturesDone}`;

/** True once all that the order is for has left; where the lines are not known, with the first parcel. */
export function hasAllLeft({ lines, parcels }: Pick<Payment, "lines" | "parcels">): boolean {
  if (parcels.length === 0) return false;
  if (lines.length === 0 || parcels.some(({ units }) => units.length === 0)) return true;
  const left = new Map<string, number>();
  for (const { sku, quantity } of lines) left.set(sku, (left.get(sku) ?? 0) + quantity);
  for (const { sku, quantity } of parcels.flatMap(({ units }) => units)) left.set(sku, (left.get(sku) ?? 0) - quantity);
  return [...left.values()].every((quantity) => quantity <= 0);
}

/** The units of a SKU leave in the order of its lines: those of a parcel come after those that have left before it. */
function priceOf({ units }: Parcel, { lines, parcels }: Pick<Payment, "lines" | "parcels">): number {
  const gone = new Map<string, number>();
  const take = (sku: string, quantity: number): number => {
    const [from, to] = [gone.get(sku) ?? 0, (gone.get(sku) ?? 0) + quantity];
    gone.set(sku, to);
    let begin = 0;
    let price = 0;
    for (const line of lines.filter((each) => each.sku === sku)) {
      const end = begin + line.quantity;
      price += Math.max(0, Math.min(to, end) - Math.max(from, begin)) * line.unitPrice;
      begin = end;
    }
    return price;
  };
  for (const { sku, quantity } of parcels.flatMap((parcel) => parcel.units)) take(sku, quantity);
  return units.reduce((sum, { sku, quantity }) => sum + take(sku, quantity), 0);
}

export type DispatchOutcome = { kind: "capture"; change: Change } | { kind: "done_before" | "not_yet" | "not_authorized" };

/**
 * Goods have left, so their money is due. A provider that takes once only takes all with the first parcel: goods that have left
 * without their money would be the shop's loss, and what is never sent of the rest is given back.
 */
export function dispatch(payment: Payment, parcel: Parcel, { inParts }: { inParts: boolean }): DispatchOutcome {
  switch (payment.state) {
    case "PENDING":
    case "ACTION_REQUIRED":
      return { kind: payment.cancelRequested ? "not_authorized" : "not_yet" };
    case "DECLINED":
    case "VOIDED":
      return { kind: "not_authorized" };
    case "AUTHORIZED":
    case "CAPTURED":
    case "REFUNDED":
      return dispatchHeld(payment, parcel, inParts);
  }
}

function dispatchHeld(payment: Payment, parcel: Parcel, inParts: boolean): DispatchOutcome {
  const left = leftToTake(payment);
  const isKnown = payment.parcels.some(({ shipmentId }) => shipmentId === parcel.shipmentId);
  if (isKnown || left <= 0) return { kind: "done_before" };
  const parcels = [...payment.parcels, parcel];
  const isWhole = !inParts || hasAllLeft({ lines: payment.lines, parcels });
  const amount = isWhole ? left : Math.min(left, priceOf(parcel, payment));
  if (payment.voidReason || amount > heldOf(payment) - promisedOf(payment)) return { kind: "not_authorized" };
  if (amount === 0) return { kind: "capture", change: change(payment, { parcels }) };
  const capturesDue = [...payment.capturesDue, { amount, isFinal: amount === left }];
  return { kind: "capture", change: change(payment, { parcels, capturesDue }, { work: ["capture"] }) };
}

/** @param position How many were taken before the provider was asked. */
export function concludeCapture(payment: Payment, { position, reference }: { position: number; reference: string }): Change {
  const [due, ...capturesDue] = payment.capturesDue;
  if (!due || payment.capturesDone !== position || !needsCapture(payment)) return change(payment, {});
  const { amount, isFinal } = due;
  const released = isFinal ? heldOf(payment) - amount : 0;
  const fields: Partial<Payment> = {
    state: "CAPTURED",
    captured: payment.captured + amount,
    voided: payment.voided + released,
    capturesDue,
    capturesDone: position + 1,
  };
  const movements = [
    { type: "CAPTURE" as const, amount },
    { type: "VOID" as const, amount: released },
  ]
    .filter((movement) => movement.amount > 0)
    .map((movement) => ({ ...movement, providerReference: reference }));
  const taken = change(payment, fields, {
    movements,
    facts: [{ kind: "captured", amount }],
    work: capturesDue.length > 0 ? ["capture"] : [],
  });
  return releaseRest(refundExcess(payment, taken));
}

/** What is held of an order of which nothing will be taken any more goes back. */
export function releaseRest(before: Change): Change {
  const { payment } = before;
  const isDone = hasAllLeft(payment) && payment.capturesDue.length === 0 && leftToTake(payment) <= 0;
  if (!isDone || heldOf(payment) === 0 || payment.voidReason) return before;
  return { ...before, payment: { ...payment, voidReason: "REST" }, work: [...before.work, "void"] };
}
