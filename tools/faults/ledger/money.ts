// The provider's own books: taken once and in full from who got the goods, nothing from anybody else, nothing held back.
import type { Asked } from "../asked.ts";
import { shareOf, type Product } from "../goods.ts";
import type { Books, ChargeRow, OrderRow, PaymentRow } from "./books.ts";
import type { Expected } from "./contents.ts";
import type { ExpectedReturn } from "./returns.ts";
import { findings, unlessEqual, type Disagreement, type Findings } from "./disagreement.ts";

const nothing: ChargeRow = { reference: "", askedUnder: null, authorized: 0, captured: 0, voided: 0, refunded: 0 };

export function checkMoney(
  asked: readonly Asked[],
  {
    books,
    contents,
    returns,
    goods,
  }: { books: Books; contents: ReadonlyMap<string, Expected>; returns: readonly ExpectedReturn[]; goods: readonly Product[] },
): Findings[] {
  const payments = new Map(books.payments.map((payment) => [payment.orderId, payment]));
  const paymentIds = new Set(books.payments.map(({ paymentId }) => `${paymentId}:authorize`));
  const charges = Map.groupBy(books.charges, ({ askedUnder }) => askedUnder ?? "");
  const parcelsBack = Map.groupBy(
    books.shipments.filter(({ state }) => state === "RETURNED"),
    ({ orderId }) => orderId,
  );
  const refunds = new Map(asked.map(({ key, refunds: asOrdered }) => [key, asOrdered]));
  const back = Map.groupBy(returns, ({ orderId }) => orderId);
  const chargesOf = (payment: PaymentRow | undefined): ChargeRow[] =>
    payment ? (charges.get(`${payment.paymentId}:authorize`) ?? []) : [];
  return [
    findings(books.orders, (order) => {
      const { orderId, requestId } = order;
      const charged = chargesOf(payments.get(orderId));
      const sentBack = (back.get(orderId) ?? []).reduce((sum, { refund }) => sum + refund, 0);
      const { totals = [], content = { items: [] } } = contents.get(orderId) ?? {};
      const lines = (parcelsBack.get(orderId) ?? []).flatMap((parcel) => parcel.lines);
      const cameBack = lines.reduce((sum, line) => sum + shareOf(content, line, goods), 0);
      return orderMoney(order, { charges: charged, refunds: refunds.get(requestId ?? "") ?? [], sentBack, cameBack, totals });
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
  charges: readonly ChargeRow[];
  refunds: NonNullable<Asked["refunds"]>;
  /** What its returns give back. Minor units. */
  sentBack: number;
  /** What it has cost, at first and after each change. Minor units. */
  totals: readonly number[];
  /** What is in those of its parcels that came back. Minor units. */
  cameBack: number;
}

function orderMoney(order: OrderRow, { charges, refunds, sentBack, cameBack, totals }: OrderMoney): (Disagreement | undefined)[] {
  const subject = order.orderId;
  if (charges.length > 1) return [{ rule: "charged_twice", subject, message: `the provider has ${charges.length} charges` }];
  const charge = charges[0] ?? nothing;
  const is = (rule: string, what: string) => ({ rule, subject, what: `${order.state}, ${what}` });
  const accepted = refunds.filter(({ outcome }) => outcome.kind === "accepted");
  // Returns are paid back from what is left, so all together is never more than was taken.
  const wished = accepted.reduce((sum, { minorUnits = order.total }) => sum + minorUnits, sentBack);
  const givenBack = Math.min(wished, order.total);
  const heldBack = charge.authorized - charge.voided - charge.captured;
  switch (order.state) {
    case "delivered":
      return [
        unlessEqual(is("captured", "taken"), charge.captured, order.total),
        unlessEqual(is("refunded", "given back"), charge.refunded, givenBack + cameBack),
        totals.includes(charge.authorized)
          ? undefined
          : { rule: "authorized", subject, message: `${charge.authorized} was held, and it has only cost ${totals.join(", ")}` },
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
