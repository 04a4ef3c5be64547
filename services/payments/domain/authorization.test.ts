import { describe, expect, test } from "vitest";
import {
  concludeAuthorization,
  hasLapsed,
  holdLapsesMs,
  isQuiet,
  planAuthorization,
  settle,
  settleQuietMs,
} from "./authorization.ts";
import { openPayment, type Payment } from "./payment.ts";

const now = new Date("2026-01-01T12:00:00Z");
const later = (ms: number) => new Date(now.getTime() + ms);

function pending(fields: Partial<Payment> = {}): Payment {
  const due = {
    tenant: "demo",
    orderId: "ord_1",
    paymentId: "pay_1",
    customerId: "ada",
    currencyCode: "EUR",
    amount: 5_000,
    lines: [],
    paymentToken: "tok_success",
    deadline: later(60_000),
    dueEventId: "evt_1",
  };
  return { ...openPayment(due, { isCancelled: false, now }), ...fields };
}

test.each([
  { when: "it is due", fields: {}, want: "ask" },
  { when: "it is due and was asked for before", fields: { askTime: now }, want: "ask" },
  { when: "this is the deadline", fields: { deadline: now }, want: "ask" },
  { when: "the deadline has passed", fields: { deadline: later(-1) }, want: "leave" },
  { when: "the deadline has passed since it was asked for", fields: { deadline: later(-1), askTime: now }, want: "look" },
  { when: "the order is cancelled", fields: { cancelRequested: true }, want: "leave" },
  { when: "the order was cancelled after it was asked for", fields: { cancelRequested: true, askTime: now }, want: "look" },
  { when: "it is decided", fields: { state: "DECLINED" }, want: "nothing" },
] as const)("where $when: $want", ({ fields, want }) => {
  expect(planAuthorization(pending(fields), now)).toBe(want);
});

describe("the provider's answer", () => {
  const yes = { kind: "authorized", reference: "ref" } as const;
  const no = { kind: "declined", code: "card_declined" } as const;
  const silence = { kind: "unknown" } as const;
  const cancelled = { cancelRequested: true, askTime: now };
  const late = { deadline: later(-1), askTime: now };

  test.each([
    { answer: yes, to: "a due payment", fields: {}, state: "AUTHORIZED", facts: ["authorized"], work: [] },
    { answer: yes, to: "a cancelled one", fields: cancelled, state: "AUTHORIZED", facts: [], work: ["void"] },
    { answer: yes, to: "a late one", fields: late, state: "AUTHORIZED", facts: [], work: ["void"] },
    { answer: no, to: "a due payment", fields: {}, state: "DECLINED", facts: ["declined"], work: [] },
    { answer: no, to: "a cancelled one", fields: cancelled, state: "DECLINED", facts: ["declined"], work: [] },
    { answer: silence, to: "a due payment", fields: { askTime: now }, state: "DECLINED", facts: ["declined"], work: ["settle"] },
    { answer: silence, to: "a late one", fields: late, state: "DECLINED", facts: ["declined"], work: ["settle"] },
    { answer: yes, to: "a decided one", fields: { state: "VOIDED", paymentToken: null }, state: "VOIDED", facts: [], work: [] },
  ] as const)("$answer.kind to $to: $state, tells $facts, then $work", ({ answer, fields, state, facts, work }) => {
    const change = concludeAuthorization(pending(fields), answer, now);
    expect(change.payment.state).toBe(state);
    expect(change.facts.map(({ kind }) => kind)).toEqual(facts);
    expect(change.work).toEqual(work);
    expect(change.payment.paymentToken).toBeNull();
  });

  test("never having asked counts as silence where somebody else has asked meanwhile", () => {
    expect(concludeAuthorization(pending(late), { kind: "not_asked" }, now).work).toEqual(["settle"]);
  });
});

test("an authorisation found after the refusal is booked and given back, once", () => {
  const declined = concludeAuthorization(pending({ askTime: now }), { kind: "unknown" }, now).payment;
  const found = settle(declined, { kind: "authorized", reference: "ref" });
  expect(found).toMatchObject({ payment: { state: "DECLINED", authorized: 5_000 }, facts: [], work: ["void"] });
  expect(settle(found.payment, { kind: "authorized", reference: "ref" }).work).toEqual([]);
});

test("nothing found is believed only once no call can be under way any more", () => {
  expect(isQuiet(pending({ askTime: now }), later(settleQuietMs))).toBe(false);
  expect(isQuiet(pending({ askTime: now }), later(settleQuietMs + 1))).toBe(true);
});

test("a hold that nobody could ask about is no longer looked for once the card's bank has let it lapse", () => {
  expect(hasLapsed(pending({ askTime: now }), later(holdLapsesMs))).toBe(false);
  expect(hasLapsed(pending({ askTime: now }), later(holdLapsesMs + 1))).toBe(true);
});
