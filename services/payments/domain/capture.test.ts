// What is taken for which parcel, what goes back, and that no order of things takes more than is held or loses any of it.
import { describe, expect, test } from "vitest";
import { giveBack } from "./backs.ts";
import { captureKey, dispatch, hasAllLeft, leftToTake, needsCapture } from "./capture.ts";
import { reprice } from "./cost.ts";
import { cancel, concludeCapture, concludeVoid, needsVoid, neededWork, refuseCapture } from "./movement.ts";
import { heldOf, openPayment, type Change, type Parcel, type Payment } from "./payment.ts";
import { concludeRefund } from "./refund.ts";

const now = new Date("2026-01-01T12:00:00Z");
const lines = [
  { sku: "MUG", quantity: 3, unitPrice: 1_000 },
  { sku: "TEA", quantity: 1, unitPrice: 500 },
  { sku: "TRAY", quantity: 1, unitPrice: 1_000 },
];
/** With 500 for sending. */
const cost = 5_000;

function held(fields: Partial<Payment> = {}): Payment {
  const due = {
    tenant: "demo",
    orderId: "ord_1",
    paymentId: "pay_1",
    customerId: "ada",
    currencyCode: "EUR",
    amount: cost,
    lines,
    paymentToken: "tok_success",
    deadline: now,
    dueEventId: "evt_1",
  };
  const opened = openPayment(due, { isCancelled: false, now });
  return {
    ...opened,
    state: "AUTHORIZED",
    paymentToken: null,
    authorized: cost,
    providerReference: "ref",
    askTime: now,
    ...fields,
  };
}

const parcel = (shipmentId: string, ...units: [string, number][]): Parcel => ({
  shipmentId,
  units: units.map(([sku, quantity]) => ({ sku, quantity })),
});
const mugs = parcel("shp_1", ["MUG", 2]);
const tea = parcel("shp_2", ["TEA", 1], ["MUG", 1]);
const tray = parcel("shp_3", ["TRAY", 1]);

function sent(payment: Payment, what: Parcel, inParts = true): Payment {
  const outcome = dispatch(payment, what, { inParts });
  if (outcome.kind !== "capture") throw new Error(outcome.kind);
  return outcome.change.payment;
}
const taken = (payment: Payment): Change => concludeCapture(payment, { position: payment.capturesDone, reference: "ref" });
const sums = ({ captured, voided, refundBooked }: Payment) => ({ captured, voided, refundBooked });

test("each parcel's part is taken, and the last one takes the rest with the cost of sending", () => {
  let payment = held();
  const keys: string[] = [];
  for (const what of [mugs, tea, tray]) {
    payment = sent(payment, what);
    keys.push(captureKey(payment));
    payment = taken(payment).payment;
  }
  expect(keys).toEqual(["pay_1:capture", "pay_1:capture:1", "pay_1:capture:2"]);
  expect(sums(payment)).toEqual({ captured: 5_000, voided: 0, refundBooked: 0 });
});

test("units of a SKU that has several prices leave in the order of its lines", () => {
  const added = [...lines, { sku: "MUG", quantity: 2, unitPrice: 1_500 }];
  const first = sent(held({ authorized: 8_000, amount: 8_000, cost: 8_000, lines: added }), mugs);
  const second = sent(first, parcel("shp_2", ["MUG", 2]));
  expect(second.capturesDue.map(({ amount }) => amount)).toEqual([2_000, 2_500]);
});

test.each([
  { why: "the order is sent in one", payment: held(), what: parcel("shp", ["MUG", 3], ["TEA", 1], ["TRAY", 1]), inParts: true },
  { why: "the event is older than parcels", payment: held(), what: parcel("shp"), inParts: true },
  { why: "the payment is older than parcels", payment: held({ lines: [] }), what: mugs, inParts: true },
  { why: "the provider takes once only", payment: held(), what: mugs, inParts: false },
])("where $why, the first parcel takes all", ({ payment, what, inParts }) => {
  const { capturesDue } = sent(payment, what, inParts);
  expect(capturesDue).toEqual([{ amount: 5_000, isFinal: true }]);
});

test.each([
  { why: "it has left before", payment: sent(held(), mugs), what: mugs, kind: "done_before" },
  { why: "all is taken", payment: taken(sent(held(), mugs, false)).payment, what: tea, kind: "done_before" },
  { why: "the buyer has yet to act", payment: held({ state: "ACTION_REQUIRED", authorized: 0 }), what: mugs, kind: "not_yet" },
  { why: "the hold goes back", payment: held({ voidReason: "CANCELLED" }), what: mugs, kind: "not_authorized" },
  {
    why: "the bank has let the rest lapse",
    payment: { ...taken(sent(held(), mugs)).payment, voided: 3_000 },
    what: tea,
    kind: "not_authorized",
  },
])("a parcel takes nothing where $why: $kind", ({ payment, what, kind }) => {
  expect(dispatch(payment, what, { inParts: true }).kind).toBe(kind);
});

test("parts that are due at once are taken one after the other, and an answer that comes twice counts once", () => {
  const both = sent(sent(held(), mugs), tea);
  const first = taken(both);
  expect(first).toMatchObject({ payment: { captured: 2_000 }, work: ["capture"], facts: [{ kind: "captured", amount: 2_000 }] });
  const late = concludeCapture(first.payment, { position: 0, reference: "ref" });
  expect(late).toMatchObject({ payment: { captured: 2_000 }, movements: [] });
});

describe("an order that ends after a part was taken", () => {
  const part = taken(sent(held(), mugs)).payment;

  test("gets the part refunded and the rest of the hold back", () => {
    const back = cancel(part);
    expect(back).toMatchObject({ payment: { refundBooked: 2_000, voidReason: "CANCELLED" }, work: ["void"] });
    const over = concludeVoid(back.payment, "ref");
    expect(over).toMatchObject({ payment: { state: "CAPTURED", voided: 3_000 }, facts: [] });
    expect(neededWork(over.payment)).toBeUndefined();
  });

  test("lets the capture through that is under way, asks for none behind it, and refunds both", () => {
    const ending = cancel(sent(sent(part, tea), tray)).payment;
    expect(ending.capturesDue).toHaveLength(1);
    const over = taken(ending);
    expect(over.payment).toMatchObject({ captured: 3_500, refundBooked: 3_500, voidReason: "CANCELLED", capturesDue: [] });
    expect(over.work).toEqual(["void"]);
  });

  test("gives back what the provider refused to take", () => {
    const refused = refuseCapture(sent(part, tea), "card_expired").payment;
    expect(needsCapture(refused)).toBe(false);
    expect(cancel(refused)).toMatchObject({
      payment: { refundBooked: 2_000, capturesDue: [], refusedWork: null },
      work: ["void"],
    });
  });
});

describe("the order now costs something else", () => {
  const lessLines = lines.filter(({ sku }) => sku !== "TRAY");
  const less = { cost: 4_000, lines: lessLines };
  const changed = (payment: Payment, to: { cost: number; lines: Payment["lines"] } = less): Change => {
    const outcome = reprice(payment, to);
    if (outcome.kind !== "changed") throw new Error(outcome.kind);
    return outcome.change;
  };
  test.each([
    { why: "the provider is still to be asked", payment: held({ state: "PENDING", authorized: 0, askTime: null }) },
    { why: "the provider may have been asked", payment: held({ state: "PENDING", authorized: 0 }) },
    { why: "the buyer has to act", payment: held({ state: "ACTION_REQUIRED", authorized: 0 }) },
    { why: "it is held", payment: held() },
  ])("where $why, less is taken, as much again later, and more is refused", ({ payment }) => {
    const cheaper = changed(payment).payment;
    expect(cheaper).toMatchObject({ amount: 5_000, cost: 4_000 });
    expect(changed(cheaper, { cost: 5_000, lines }).payment).toMatchObject({ amount: 5_000, cost: 5_000 });
    expect(reprice(payment, { cost: 5_001, lines })).toEqual({ kind: "exceeds", amount: 5_000 });
  });

  test.each(["DECLINED", "VOIDED"] as const)("%s: nothing comes of it", (state) => {
    expect(reprice(held({ state }), less)).toEqual({ kind: "over" });
  });

  test("the rest goes back with the last capture", () => {
    const all = sent(changed(held()).payment, parcel("shp", ["MUG", 3], ["TEA", 1]));
    expect(taken(all).movements).toMatchObject([
      { type: "CAPTURE", amount: 4_000 },
      { type: "VOID", amount: 1_000 },
    ]);
  });

  test("what was taken for what is no longer sent is refunded, whatever was refunded before", () => {
    const whole = { ...taken(sent(held(), mugs, false)).payment, refundBooked: 300 };
    expect(changed(whole)).toMatchObject({ payment: { refundBooked: 1_300 }, refunds: [{ amount: 1_000 }] });
    expect(changed(changed(whole).payment).refunds).toEqual([]);
  });

  test("where all has left that ever will, what is still due is taken and the rest given back", () => {
    const two = taken(taken(sent(sent(held(), mugs), tea)).payment).payment;
    const over = changed(two);
    expect(over).toMatchObject({ payment: { capturesDue: [{ amount: 500, isFinal: true }] }, work: ["capture"] });
    expect(sums(taken(over.payment).payment)).toEqual({ captured: 4_000, voided: 1_000, refundBooked: 0 });
  });

  test("where nothing is due any more, the rest goes back by itself", () => {
    const two = taken(taken(sent(sent(held(), mugs), tea)).payment).payment;
    const over = changed(two, { cost: 3_500, lines: lessLines });
    expect(over).toMatchObject({ payment: { voidReason: "REST" }, work: ["void"] });
    expect(sums(concludeVoid(over.payment, "ref").payment)).toEqual({ captured: 3_500, voided: 1_500, refundBooked: 0 });
  });
});

describe("what comes back before its money is here", () => {
  const back = { returnId: "shp_1", wanted: 2_000, reason: "came back" };
  const one = { returnId: "rtn_1", wanted: 4_000, reason: "came back too" };

  test("waits until all is taken that is due, and no more goes back than was taken", () => {
    const noted = giveBack(sent(sent(sent(held(), mugs), tea), tray), back);
    expect(noted).toMatchObject({ payment: { backsDue: [back], refundBooked: 0 }, refunds: [], backs: [{ amount: 0 }] });
    const second = taken(taken(giveBack(noted.payment, one).payment).payment);
    expect(second).toMatchObject({ payment: { captured: 3_500, refundBooked: 0 }, refunds: [] });
    expect(taken(second.payment)).toMatchObject({
      payment: { captured: 5_000, refundBooked: 5_000, backsDue: [] },
      backs: [
        { returnId: "shp_1", wanted: 2_000, amount: 2_000 },
        { returnId: "rtn_1", wanted: 4_000, amount: 3_000 },
      ],
    });
  });

  test("waits for a person where the provider refuses to take it, and gives back nothing that was taken for something else", () => {
    const part = taken(sent(held(), mugs)).payment;
    const refused = refuseCapture(sent(part, tea), "card_expired").payment;
    const noted = giveBack(refused, { ...back, returnId: "shp_2", wanted: 1_500 });
    expect(noted).toMatchObject({ payment: { refundBooked: 0, refusedWork: "capture" }, refunds: [] });
    // Whoever undoes the payment gives all of it back.
    expect(cancel(noted.payment)).toMatchObject({ payment: { refundBooked: 2_000, backsDue: [] }, work: ["void"] });
  });

  test("waits for the other parcels where it has cost more than its prices, and those have yet to leave", () => {
    const taxed = { ...back, wanted: 2_100 };
    const noted = giveBack(taken(sent(held(), mugs)).payment, taxed).payment;
    expect(noted).toMatchObject({ backsDue: [taxed], refundBooked: 0 });
    expect(taken(sent(noted, tea)).payment).toMatchObject({ refundBooked: 2_100, backsDue: [] });
    // Or the order ends, and all of it goes back.
    expect(cancel(noted)).toMatchObject({ payment: { refundBooked: 2_000, backsDue: [] }, backs: [{ amount: 2_000 }] });
  });

  test("goes back at once where nothing is due any more", () => {
    const part = taken(sent(held(), mugs)).payment;
    expect(giveBack(part, back)).toMatchObject({ payment: { refundBooked: 2_000, backsDue: [] }, backs: [{ amount: 2_000 }] });
  });
});

/** The same numbers each time, for each seed. */
function randomBelow(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * bound);
  };
}

test.each(Array.from({ length: 300 }, (_, seed) => seed + 1))(
  "whatever happens in whatever order, no money is lost: seed %i",
  (seed) => {
    const below = randomBelow(seed);
    const inParts = below(4) > 0;
    let payment = held();
    const step = (): Change | undefined => {
      const what = below(8);
      if (what < 3) {
        const shipmentId = `shp_${below(4)}`;
        const units = lines.map(({ sku, quantity }): [string, number] => [sku, below(quantity + 1)]);
        const outcome = dispatch(payment, parcel(shipmentId, ...units), { inParts });
        return outcome.kind === "capture" ? outcome.change : undefined;
      }
      if (what === 3) {
        const outcome = reprice(payment, { cost: 1 + below(6_000), lines: lines.slice(0, 1 + below(3)) });
        return outcome.kind === "changed" ? outcome.change : undefined;
      }
      if (what === 4) return below(4) === 0 ? cancel(payment) : undefined;
      if (what === 7) return giveBack(payment, { returnId: `rtn_${below(1_000)}`, wanted: 1 + below(1_500), reason: "back" });
      if (what === 5) return needsCapture(payment) ? taken(payment) : undefined;
      return needsVoid(payment) ? concludeVoid(payment, "ref") : undefined;
    };
    const holds = (): void => {
      const promised = payment.capturesDue.reduce((sum, { amount }) => sum + amount, 0);
      expect(promised).toBeLessThanOrEqual(heldOf(payment));
      expect(payment.refundBooked).toBeLessThanOrEqual(payment.captured);
      expect(payment.captured + payment.voided).toBeLessThanOrEqual(payment.authorized);
      expect(payment.capturesDue.length > 0 && payment.voidReason !== null).toBe(false);
      expect(payment.capturesDue.slice(0, -1).some(({ isFinal }) => isFinal)).toBe(false);
    };
    for (let index = 0; index < 30; index += 1) {
      payment = step()?.payment ?? payment;
      holds();
    }
    while (neededWork(payment)) payment = (needsCapture(payment) ? taken(payment) : concludeVoid(payment, "ref")).payment;
    holds();
    if (payment.cancelRequested || leftToTake(payment) <= 0) expect(payment.backsDue).toEqual([]);
    if (payment.cancelRequested) expect([heldOf(payment), payment.refundBooked]).toEqual([0, payment.captured]);
    else if (hasAllLeft(payment)) expect(heldOf(payment)).toBe(0);
    const refund = { refundId: "led_1", createTime: now, amount: payment.refundBooked };
    expect(concludeRefund(payment, refund, "ref").payment.refunded).toBeLessThanOrEqual(payment.captured);
  },
);
