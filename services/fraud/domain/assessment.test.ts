import { describe, expect, test } from "vitest";
import { assessOrders, closeReview, decide, stateOfScore, type Assessment } from "./assessment.ts";
import type { Condition, Rule, ScreenedOrder } from "./rules.ts";
import { velocityQuestions } from "./velocity.ts";

const now = new Date("2026-03-01T12:00:00Z");

const order = (changes: Partial<ScreenedOrder> = {}): ScreenedOrder => ({
  tenant: "demo",
  orderId: "ord_1",
  customerId: "ada",
  cardBin: "424242",
  deviceFingerprint: "laptop",
  total: { currencyCode: "EUR", minorUnits: 2_000 },
  placeTime: now,
  ...changes,
});

const rule = (condition: Condition, weight = 60): Rule => ({
  ruleId: `rule_${condition.kind}`,
  description: "why",
  weight,
  condition,
});

function assess(orders: ScreenedOrder[], rules: Rule[], storedCount = 0): Assessment[] {
  const byTenant = new Map([["demo", rules]]);
  const questions = velocityQuestions(orders, byTenant);
  return assessOrders({ orders, rules: byTenant, velocity: { questions, counts: questions.map(() => storedCount) }, now });
}

describe("scores", () => {
  test.each([
    { score: 0, want: "CLEARED" },
    { score: 49, want: "CLEARED" },
    { score: 50, want: "REVIEW" },
    { score: 99, want: "REVIEW" },
    { score: 100, want: "REJECTED" },
    { score: 50_000, want: "REJECTED" },
  ] as const)("$score points: $want", ({ score, want }) => {
    expect(stateOfScore(score)).toBe(want);
  });

  test("the weights of all rules that match add up, and the heaviest explains first", () => {
    const rules = [rule({ kind: "device", fingerprint: "laptop" }, 20), rule({ kind: "bin", prefix: "42" }, 40)];
    const [assessment] = assess([order()], rules);
    expect(assessment).toMatchObject({ score: 60, state: "REVIEW", decider: null, decideTime: null, eventCount: 1 });
    expect(assessment?.matches.map(({ explanation }) => explanation)).toEqual([
      "card starts with 42: why",
      'device is "laptop": why',
    ]);
  });

  test("an order that no rule matches is cleared by the rules at once", () => {
    expect(assess([order()], [])).toMatchObject([{ score: 0, state: "CLEARED", decider: "RULES", decideTime: now, matches: [] }]);
  });
});

describe("conditions", () => {
  const amount = (currencyCode: string, minorUnits: number): Condition => ({
    kind: "amount",
    atLeast: { currencyCode, minorUnits },
  });
  test.each([
    { condition: { kind: "bin", prefix: "400000" }, changes: { cardBin: "400000" }, want: "card starts with 400000" },
    { condition: { kind: "bin", prefix: "400000" }, changes: { cardBin: "40000012" }, want: "card starts with 400000" },
    { condition: { kind: "bin", prefix: "400000" }, changes: { cardBin: "40000" }, want: undefined },
    { condition: { kind: "bin", prefix: "400000" }, changes: { cardBin: "" }, want: undefined },
    { condition: { kind: "device", fingerprint: "x" }, changes: { deviceFingerprint: "x" }, want: 'device is "x"' },
    { condition: { kind: "device", fingerprint: "x" }, changes: { deviceFingerprint: "X" }, want: undefined },
    { condition: { kind: "device", fingerprint: "x" }, changes: { deviceFingerprint: "" }, want: undefined },
    { condition: amount("EUR", 2_001), changes: {}, want: undefined },
    { condition: amount("EUR", 2_000), changes: {}, want: "total of 20.00 EUR is 20.00 EUR or more" },
    { condition: amount("USD", 1), changes: {}, want: undefined },
    {
      condition: amount("JPY", 700_000),
      changes: { total: { currencyCode: "JPY", minorUnits: 712_345 } },
      want: "total of 712,345 JPY is 700,000 JPY or more",
    },
  ] as const)("$condition on $changes: $want", ({ condition, changes, want }) => {
    const [assessment] = assess([order(changes)], [rule(condition)]);
    expect(assessment?.matches.map(({ explanation }) => explanation)).toEqual(want === undefined ? [] : [`${want}: why`]);
  });
});

describe("velocity", () => {
  const threeInTenSeconds = rule({ kind: "velocity", ordersMax: 3, windowSeconds: 10 });
  const placed = (secondsAfter: number, changes: Partial<ScreenedOrder> = {}): ScreenedOrder =>
    order({ orderId: `ord_${secondsAfter}`, placeTime: new Date(now.getTime() + secondsAfter * 1_000), ...changes });
  const suspects = (assessments: Assessment[]): string[] =>
    assessments.filter(({ matches }) => matches.length > 0).map(({ orderId }) => orderId);

  test.each([
    { stored: 2, want: [] },
    { stored: 3, want: ["ord_0"] },
  ])("$stored orders before: $want is one too many", ({ stored, want }) => {
    expect(suspects(assess([placed(0)], [threeInTenSeconds], stored))).toEqual(want);
  });

  test("orders earlier in the same batch count, by the time they were placed", () => {
    expect(suspects(assess([placed(3), placed(0), placed(2), placed(1)], [threeInTenSeconds]))).toEqual(["ord_3"]);
  });

  test("orders before the window, of another customer or of nobody do not count", () => {
    const others = [placed(8, { customerId: "bob" }), placed(8.5, { customerId: "" }), placed(8.6, { customerId: "" })];
    const nobody = [placed(8.7, { customerId: "" }), placed(8.8, { customerId: "" })];
    expect(suspects(assess([placed(0), placed(1), placed(9), ...others, ...nobody, placed(10)], [threeInTenSeconds]))).toEqual(
      [],
    );
  });

  test("an order and window are asked for once, up to the highest limit", () => {
    const wider = rule({ kind: "velocity", ordersMax: 8, windowSeconds: 10 });
    expect(velocityQuestions([placed(0)], new Map([["demo", [threeInTenSeconds, wider]]]))).toMatchObject([
      { windowSeconds: 10, ordersMax: 8 },
    ]);
  });
});

describe("decisions", () => {
  const assessed = (rules: Rule[]): Assessment => {
    const [assessment] = assess([order()], rules);
    if (!assessment) throw new Error("nothing was assessed");
    return assessment;
  };
  const review = assessed([rule({ kind: "bin", prefix: "4" })]);
  const cleared = assessed([]);
  const person = (decision: "CLEARED" | "REJECTED") => ({ decision, decidedBy: "olga", note: "called", now });
  const byPerson = (decision: "CLEARED" | "REJECTED"): Assessment => decide(review, person(decision)).assessment;
  const closed = closeReview(review, { reason: "EXPIRED", now }) ?? review;

  test.each([
    { what: "a review", from: review, decision: "CLEARED", want: "decided" },
    { what: "a review", from: review, decision: "REJECTED", want: "decided" },
    { what: "one cleared by a person", from: byPerson("CLEARED"), decision: "CLEARED", want: "repeated" },
    { what: "one cleared by a person", from: byPerson("CLEARED"), decision: "REJECTED", want: "already_decided" },
    { what: "one rejected by a person", from: byPerson("REJECTED"), decision: "REJECTED", want: "repeated" },
    { what: "one rejected by a person", from: byPerson("REJECTED"), decision: "CLEARED", want: "already_decided" },
    { what: "one cleared by the rules", from: cleared, decision: "CLEARED", want: "already_decided" },
    { what: "one closed with its order", from: closed, decision: "REJECTED", want: "already_decided" },
  ] as const)("$decision for $what: $want", ({ from, decision, want }) => {
    expect(decide(from, person(decision)).kind).toBe(want);
  });

  test("a decision names its person and has one more event to send", () => {
    expect(byPerson("REJECTED")).toMatchObject({
      state: "REJECTED",
      decider: "PERSON",
      decidedBy: "olga",
      decisionNote: "called",
      eventCount: 2,
    });
  });

  test("only a review is closed with its order", () => {
    expect(closed).toMatchObject({ state: "REJECTED", decider: "CANCELLATION", decisionNote: "EXPIRED", eventCount: 1 });
    expect([cleared, byPerson("CLEARED"), closed].map((one) => closeReview(one, { reason: "x", now }))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});
