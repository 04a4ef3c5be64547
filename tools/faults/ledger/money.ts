// The provider's own books: taken once and in full from who got the goods, nothing from anybody else, nothing held back.
import type { Asked } from "../load.ts";
import type { Books, ChargeRow, OrderRow, PaymentRow } from "./books.ts";
import { findings, unlessEqual, type Disagreement, type Findings } from "./disagreement.ts";

const nothing: ChargeRow = { reference: "", askedUnder: null, authorized: 0, captured: 0, voided: 0, refunded: 0 };

export function checkMoney(asked: readonly Asked[], books: Books): Findings[] {
  const payments = new Map(books.payments.map((payment) => [payment.orderId, payment]));
  const paymentIds = new Set(books.payments.map(({ paymentId }) => `${paymentId}:authorize`));
  const charges = Map.groupBy(books.charges, ({ askedUnder }) => askedUnder ?? "");
  const returned = returnedParts(books);
  const refunds = new Map(asked.map(({ key, refunds: asOrdered }) => [key, asOrdered]));
  const chargesOf = (payment: PaymentRow | undefined): ChargeRow[] =>
    payment ? (charges.get(`${payment.paymentId}:authorize`) ?? []) : [];
  return [
    findings(books.orders, (order) => {
      const payment = payments.get(order.orderId);
      return orderMoney(order, {
        payment,
        charges: chargesOf(payment),
        refunds: refunds.get(order.requestId ?? "") ?? [],
        returned: returned.get(order.orderId) ?? 0,
      });
    }),
    findings(books.payments, (payment) => ledgerMoney(payment, chargesOf(payment)[0] ?? nothing)),
    findings(books.charges, ({ reference, askedUnder }) => [
      paymentIds.has(askedUnder ?? "")
        ? undefined
        : { rule: "charge_nobody_asked_for", subject: reference, message: `it was asked for under ${askedUnder ?? "no key"}` },
    ]),
  ];
}

interface OrderMoney {
  payment: PaymentRow | undefined;
  charges: readonly ChargeRow[];
  refunds: NonNullable<Asked["refunds"]>;
  /** What is in those of its parcels that came back. */
  returned: number;
}

/** By order: what the units of parcels have cost that came back. */
function returnedParts({ shipments, items }: Books): Map<string, number> {
  const prices = new Map(items.map(({ orderId, sku, unitPrice }) => [`${orderId} ${sku}`, unitPrice]));
  const parts = new Map<string, number>();
  for (const { orderId, lines } of shipments.filter(({ state }) => state === "RETURNED")) {
    const part = lines.reduce((sum, { sku, quantity }) => sum + quantity * (prices.get(`${orderId} ${sku}`) ?? 0), 0);
    parts.set(orderId, (parts.get(orderId) ?? 0) + part);
  }
  return parts;
}

function orderMoney(order: OrderRow, { charges, refunds, returned }: OrderMoney): (Disagreement | undefined)[] {
  const subject = order.orderId;
  if (charges.length > 1) return [{ rule: "charged_twice", subject, message: `the provider has ${charges.length} charges` }];
  const charge = charges[0] ?? nothing;
  const is = (rule: string, what: string) => ({ rule, subject, what: `${order.state}, ${what}` });
  const accepted = refunds.filter(({ outcome }) => outcome.kind === "accepted");
  const givenBack = accepted.reduce((sum, { minorUnits = order.total }) => sum + minorUnits, 0);
  const heldBack = charge.authorized - charge.voided - charge.captured;
  switch (order.state) {
    case "delivered":
      return [
        unlessEqual(is("captured", "taken"), charge.captured, order.total),
        unlessEqual(is("refunded", "given back"), charge.refunded, givenBack + returned),
        unlessEqual(is("held_back", "still held"), heldBack, 0),
      ];
    case "returned":
      return [
        unlessEqual(is("captured", "taken"), charge.captured, order.total),
        unlessEqual(is("returned", "given back"), charge.refunded, order.total),
        unlessEqual(is("held_back", "still held"), heldBack, 0),
      ];
    case "cancelled":
      return [
        unlessEqual(is("charged_without_goods", "taken and not given back"), charge.captured - charge.refunded, 0),
        unlessEqual(is("held_back", "still held"), heldBack, 0),
      ];
    default:
      return [unlessEqual(is("captured_too_early", "taken"), order.state.endsWith("shipped") ? 0 : charge.captured, 0)];
  }
}

/** Our own ledger and the payment say what the provider says. */
function ledgerMoney(payment: PaymentRow, charge: ChargeRow): (Disagreement | undefined)[] {
  const { orderId: subject } = payment;
  return [
    unlessEqual(
      { rule: "ledger_authorized", subject, what: "authorised by the ledger" },
      payment.ledgerAuthorized,
      charge.authorized,
    ),
    unlessEqual({ rule: "ledger_captured", subject, what: "taken by the ledger" }, payment.ledgerCaptured, charge.captured),
    unlessEqual({ rule: "ledger_voided", subject, what: "voided by the ledger" }, payment.ledgerVoided, charge.voided),
    unlessEqual({ rule: "ledger_refunded", subject, what: "given back by the ledger" }, payment.ledgerRefunded, charge.refunded),
    unlessEqual({ rule: "payment_captured", subject, what: "taken by the payment" }, payment.captured, charge.captured),
    unlessEqual({ rule: "payment_refunded", subject, what: "given back by the payment" }, payment.refunded, charge.refunded),
  ];
}
