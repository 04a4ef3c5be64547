import { describe, expect, test } from "vitest";
import { assessOrders, verdictsOf, type Assessment } from "./assessment.ts";
import type { Condition } from "./conditions.ts";
import type { ScreenedOrder } from "./order.ts";
import { defaultPolicy, stateOfScore, type Rule } from "./rules.ts";
import { velocityQuestions } from "./velocity.ts";

const now = new Date("2026-03-01T12:00:00Z");

const order = (changes: Partial<ScreenedOrder> = {}): ScreenedOrder => ({
  tenant: "demo",
  orderId: "ord_1",
  customerId: "ada",
  cardBin: "424242",
  deviceFingerprint: "laptop",
  email: "",
  countryCode: "",
  postalCode: "",
  addressHash: "",
  units: 1,
  lines: 1,
  total: { currencyCode: "EUR", minorUnits: 2_000 },
  placeTime: now,
  expireTime: null,
  ...changes,
});

const rule = (condition: Condition, weight = 60, changes: Partial<Rule> = {}): Rule => ({
  ruleId: `rule_${condition.kind}`,
  description: "why",
  weight,
  condition,
  isDisabled: false,
  mode: "ACTIVE",
  effect: "ADD",
  ...changes,
});

function assess(orders: ScreenedOrder[], rules: Rule[], storedCount = 0): Assessment[] {
  const byTenant = new Map([["demo", rules]]);
  const questions = velocityQuestions(orders, byTenant);
  const ruleSets = new Map([["demo", { version: 7, policy: defaultPolicy, rules }]]);
  const velocity = { questions, counts: questions.map(() => storedCount) };
  return assessOrders({ orders, ruleSets, velocity, listIdsOf: () => ["lst_known"], now });
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
    expect(stateOfScore(score, defaultPolicy)).toBe(want);
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

  test("a rule in shadow is recorded and counts for nothing; a disabled one is not looked at", () => {
    const rules = [
      rule({ kind: "bin", prefix: "42" }, 100, { mode: "SHADOW" }),
      rule({ kind: "device", fingerprint: "laptop" }, 100, { isDisabled: true }),
    ];
    expect(assess([order()], rules)).toMatchObject([
      { score: 0, state: "CLEARED", matches: [{ ruleId: "rule_bin", weight: 100, mode: "SHADOW" }] },
    ]);
  });

  test.each([
    { mode: "ACTIVE", score: 0, state: "CLEARED" },
    { mode: "SHADOW", score: 100, state: "REJECTED" },
  ] as const)("a rule that allows, $mode: the score is $score", ({ mode, score, state }) => {
    const allows = rule({ kind: "device", fingerprint: "laptop" }, 0, { effect: "ALLOW", mode });
    const [assessment] = assess([order()], [rule({ kind: "bin", prefix: "42" }, 100), allows]);
    expect(assessment).toMatchObject({ score, state });
    expect(assessment?.matches).toHaveLength(2);
  });

  test("an assessment keeps what its rules looked at, so that each can tell later what it saw", () => {
    const rules = [
      rule({ kind: "bin", prefix: "9" }),
      rule({ kind: "velocity", by: "DEVICE", ordersMax: 5, windowSeconds: 60 }),
      rule({ kind: "list", listId: "lst_known" }, 1),
    ];
    const [assessment] = assess([order()], rules, 2);
    if (!assessment) throw new Error("nothing was assessed");
    expect(assessment).toMatchObject({ ruleSetVersion: 7, score: 1, thresholds: { reviewScoreMin: 50, rejectScoreMin: 100 } });
    expect(verdictsOf(assessment, { rules }).map(({ isMatch, saw }) => [isMatch, saw])).toEqual([
      [false, "card does not start with 9"],
      [false, "3 orders of the device in 60 seconds, 5 are allowed"],
      [true, "in list lst_known"],
    ]);
    expect(verdictsOf({ ...assessment, facts: null }, { rules })).toEqual([]);
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
  const threeInTenSeconds = rule({ kind: "velocity", by: "CUSTOMER", ordersMax: 3, windowSeconds: 10 });
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

  test.each(["BIN", "DEVICE", "ADDRESS", "EMAIL"] as const)("orders of one %s count, whoever buys", (by) => {
    const known = { cardBin: "424242", deviceFingerprint: "phone", addressHash: "a1", email: "ada@example.test" };
    const nothing = { cardBin: "", deviceFingerprint: "", addressHash: "", email: "" };
    const orders = [0, 1, 2].map((second) => placed(second, { ...known, customerId: `customer-${second}` }));
    const others = [3, 4, 5].map((second) => placed(second, { ...nothing, customerId: "ada" }));
    const twice = rule({ kind: "velocity", by, ordersMax: 2, windowSeconds: 10 });
    expect(suspects(assess([...orders, ...others], [twice]))).toEqual(["ord_2"]);
  });

  test.each([
    { stored: 0, want: ["ord_2"] },
    { stored: 2_000, want: ["ord_1", "ord_2"] },
    { stored: 2_001, want: ["ord_0", "ord_1", "ord_2"] },
  ])("$stored minor units before: the totals of one currency add up, with the order's own", ({ stored, want }) => {
    const sum = rule({ kind: "velocity", by: "CUSTOMER", sumMax: { currencyCode: "EUR", minorUnits: 4_000 }, windowSeconds: 10 });
    const dollars = placed(1.5, { total: { currencyCode: "USD", minorUnits: 1_000_000 } });
    expect(suspects(assess([placed(0), placed(1), dollars, placed(2)], [sum], stored))).toEqual(want);
  });

  test("the first order of a customer is new, the second is not, and nobody's is neither", () => {
    const isNew = rule({ kind: "new_customer" });
    expect(suspects(assess([placed(0), placed(1), placed(2, { customerId: "" })], [isNew]))).toEqual(["ord_0"]);
    expect(suspects(assess([placed(0)], [isNew], 1))).toEqual([]);
  });

  test("a disabled rule asks for nothing", () => {
    expect(velocityQuestions([placed(0)], new Map([["demo", [{ ...threeInTenSeconds, isDisabled: true }]]]))).toEqual([]);
  });

  test("an order and window are asked for once, up to the highest limit", () => {
    const wider = rule({ kind: "velocity", by: "CUSTOMER", ordersMax: 8, windowSeconds: 10 });
    expect(velocityQuestions([placed(0)], new Map([["demo", [threeInTenSeconds, wider]]]))).toMatchObject([
      { windowSeconds: 10, ordersMax: 8 },
    ]);
  });
});
