// Rule sets as an operator changes them, and what becomes of orders by them.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AssessmentState, RuleEffect, RuleMode, VelocityBy } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import { OrderErasedSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { refusal } from "../../test/support/refusal.ts";
import { rowsReadFrom } from "../../test/support/rows-read.ts";
import type { ScreenedOrder } from "./domain/order.ts";
import { fraudShop, home, order, type Created, type FraudShop, type NewBuyer, type NewRule } from "./fraud.fixture.ts";
import { answerVelocity } from "./store/velocity.ts";

let shop: FraudShop;
const now = new Date("2026-03-01T12:00:00Z");
beforeAll(async () => {
  shop = await fraudShop({ now: () => now });
});
afterAll(() => shop.fixture.close());

const client = () => shop.client();
const currentVersion = async (): Promise<number> => (await client().getRuleSet({})).ruleSet?.version ?? 0;

test.each<{ condition: NonNullable<NewRule["condition"]>; hit: Omit<Created, "buyer"> & { buyer?: NewBuyer }; saw: string }>([
  {
    condition: { case: "country", value: { countryCodes: ["GB"] } },
    hit: { shippingAddress: home },
    saw: "goes to GB",
  },
  {
    condition: { case: "postalCode", value: { countryCode: "GB", prefix: "sw1a-1" } },
    hit: { shippingAddress: home },
    saw: "postal code starts with GB SW1A1",
  },
  {
    condition: { case: "email", value: { email: "@Mail.Test" } },
    hit: { buyer: { email: "Eve@mail.test" } },
    saw: "mail address is of @mail.test",
  },
  {
    condition: { case: "size", value: { unitsMin: 30n } },
    hit: { lines: [{ quantity: 20n }, { quantity: 10n }] },
    saw: "30 units in 2 lines, 30 units or more",
  },
  {
    condition: {
      case: "all",
      value: {
        conditions: [
          { kind: { case: "newCustomer", value: {} } },
          { kind: { case: "amount", value: { atLeast: { currencyCode: "EUR", minorUnits: 1_900n } } } },
        ],
      },
    },
    hit: {},
    saw: "first order of the customer and total of 20.00 EUR is 19.00 EUR or more",
  },
])("a rule is kept as it was given, and finds its order: $saw", async ({ condition, hit, saw }) => {
  const { buyer, ...changes } = hit;
  await shop.withRule({ condition }, async (ruleId) => {
    const rules = (await client().listRules({})).rules;
    expect(rules.at(-1)).toMatchObject({
      ruleId,
      mode: RuleMode.ACTIVE,
      effect: RuleEffect.ADD,
      condition: { case: condition.case },
    });
    const assessment = await shop.screened(order(buyer, changes));
    expect(assessment).toMatchObject({ state: AssessmentState.REJECTED, score: 100 });
    expect(assessment.verdicts.find((verdict) => verdict.ruleId === ruleId)).toMatchObject({ matched: true, saw });
    const other = await shop.screened(order({ customerId: "regular" }, { total: { currencyCode: "EUR", minorUnits: 1n } }));
    expect(other.state).toBe(AssessmentState.CLEARED);
    expect(other.verdicts.find((verdict) => verdict.ruleId === ruleId)?.matched).toBe(false);
  });
});

test.each<{ why: string; rule: NewRule }>([
  { why: "allows and weighs", rule: { weight: 5, effect: RuleEffect.ALLOW, condition: { case: "bin", value: { prefix: "4" } } } },
  { why: "adds nothing", rule: { weight: 0, condition: { case: "bin", value: { prefix: "4" } } } },
  {
    why: "counts and sums",
    rule: {
      condition: { case: "velocity", value: { ordersMax: 1, windowSeconds: 1, sumMax: { currencyCode: "EUR", minorUnits: 1n } } },
    },
  },
  { why: "counts nothing", rule: { condition: { case: "velocity", value: { windowSeconds: 1 } } } },
  { why: "asks for no size", rule: { condition: { case: "size", value: {} } } },
  {
    why: "has one of several conditions",
    rule: { condition: { case: "all", value: { conditions: [{ kind: { case: "newCustomer", value: {} } }] } } },
  },
  { why: "has an empty condition", rule: { condition: { case: "all", value: { conditions: [{}, {}] } } } },
])("a rule that $why is refused", async ({ rule }) => {
  const call = client().createRule({ rule: { description: "bad", weight: 5, ...rule } });
  expect((await refusal(call)).code).toBe(Code.InvalidArgument);
});

test("every change makes a version; an assessment names the one that made it, which can be read for ever", async () => {
  const first = await currentVersion();
  const condition = { case: "device", value: { fingerprint: "tablet" } } as const;
  const { rule } = await client().createRule({ rule: { description: "tablets", weight: 60, condition } });
  const ruleId = rule?.ruleId ?? "";
  const before = await shop.screened(order({ deviceFingerprint: "tablet" }));
  expect(before).toMatchObject({
    ruleSetVersion: first + 1,
    state: AssessmentState.REVIEW,
    reviewScoreMin: 50,
    rejectScoreMin: 100,
  });
  const shadow = { description: "tablets", weight: 100, mode: RuleMode.SHADOW, condition };
  const updated = await client().updateRule({ ruleId, rule: shadow });
  expect(updated.rule).toMatchObject({ ruleId, mode: RuleMode.SHADOW, createTime: rule?.createTime });
  await client().updateRule({ ruleId, rule: shadow });
  expect(await currentVersion()).toBe(first + 2);
  const after = await shop.screened(order({ deviceFingerprint: "tablet" }));
  expect(after).toMatchObject({
    ruleSetVersion: first + 2,
    state: AssessmentState.CLEARED,
    matches: [{ ruleId, mode: RuleMode.SHADOW }],
  });
  await client().updateRule({ ruleId, rule: { ...shadow, mode: RuleMode.ACTIVE, disabled: true } });
  const disabled = await shop.screened(order({ deviceFingerprint: "tablet" }));
  expect([disabled.matches, disabled.verdicts.map((verdict) => verdict.ruleId)]).toEqual([
    [],
    expect.not.arrayContaining([ruleId]),
  ]);
  await client().deleteRule({ ruleId });
  // What the rule was then is told of the order of then.
  expect((await shop.assessmentOf(before.orderId)).verdicts.find((verdict) => verdict.ruleId === ruleId)).toMatchObject({
    weight: 60,
    mode: RuleMode.ACTIVE,
    saw: 'device is "tablet"',
  });
  const { ruleSet } = await client().getRuleSet({ version: first + 1 });
  expect(ruleSet).toMatchObject({ version: first + 1, changedBy: "operator" });
  expect(ruleSet?.rules.at(-1)).toEqual(rule);
  expect(await refusal(client().getRuleSet({ version: first + 99 }))).toEqual({
    code: Code.NotFound,
    reason: "RULE_SET_NOT_FOUND",
  });
  expect(await refusal(client().updateRule({ ruleId, rule: shadow }))).toEqual({ code: Code.NotFound, reason: "RULE_NOT_FOUND" });
});

test("changes that come at once make a version each", async () => {
  const first = await currentVersion();
  const rule = { description: "one of many", weight: 1, condition: { case: "bin", value: { prefix: "99" } } } as const;
  const made = await Promise.all(Array.from({ length: 10 }, () => client().createRule({ rule })));
  expect(await currentVersion()).toBe(first + 10);
  await Promise.all(made.map(({ rule: own }) => client().deleteRule({ ruleId: own?.ruleId ?? "" })));
  expect([await currentVersion(), (await client().listRules({})).rules.length]).toEqual([first + 20, 7]);
});

test("the policy says which scores mean what, and is refused where it contradicts itself", async () => {
  const { ruleSet } = await client().getRuleSet({});
  const bad = client().updatePolicy({ policy: { reviewScoreMin: 60, rejectScoreMin: 59 } });
  expect((await refusal(bad)).code).toBe(Code.InvalidArgument);
  await client().updatePolicy({ policy: { reviewScoreMin: 61, rejectScoreMin: 61 } });
  await client().updatePolicy({ policy: { reviewScoreMin: 61, rejectScoreMin: 61 } });
  expect(await currentVersion()).toBe((ruleSet?.version ?? 0) + 1);
  const large = { total: { currencyCode: "EUR", minorUnits: 500_000n } };
  expect(await shop.screened(order({}, large))).toMatchObject({ score: 60, state: AssessmentState.CLEARED, reviewScoreMin: 61 });
  await client().updatePolicy({ policy: { reviewScoreMin: 10, rejectScoreMin: 60 } });
  expect((await shop.screened(order({}, large))).state).toBe(AssessmentState.REJECTED);
  await client().updatePolicy({ policy: { reviewScoreMin: 50, rejectScoreMin: 100 } });
});

test.each([
  { by: VelocityBy.BIN, shared: { paymentMethodBin: "51515151" } },
  { by: VelocityBy.DEVICE, shared: { deviceFingerprint: "farm" } },
  { by: VelocityBy.EMAIL, shared: { email: "Farm@mail.test" } },
  { by: VelocityBy.ADDRESS, shared: {} },
])("of 40 orders with one value, kind $by, on five partitions at once exactly 10 pass", async ({ by, shared }) => {
  const condition = { case: "velocity", value: { by, ordersMax: 10, windowSeconds: 600 } } as const;
  await shop.withRule({ condition }, async () => {
    const orders = Array.from({ length: 40 }, () =>
      order(shared, by === VelocityBy.ADDRESS ? { shippingAddress: { ...home, city: "Leeds" } } : {}),
    );
    const partitions = [0, 1, 2, 3, 4].map((number) => orders.filter((_, index) => index % 5 === number));
    await Promise.all(partitions.map((ofPartition) => shop.deliver(...ofPartition)));
    const { assessments } = await client().listAssessments({ pageSize: 40 });
    expect(assessments.filter(({ state }) => state === AssessmentState.CLEARED)).toHaveLength(10);
  });
});

test("what the orders of a customer come to in a window is counted over batches side by side", async () => {
  const value = { by: VelocityBy.CUSTOMER, windowSeconds: 600, sumMax: { currencyCode: "EUR", minorUnits: 20_000n } };
  await shop.withRule({ condition: { case: "velocity", value } }, async () => {
    const orders = Array.from({ length: 15 }, () => order({ customerId: "spender" }));
    await Promise.all([0, 1, 2].map((part) => shop.deliver(...orders.slice(part * 5, part * 5 + 5))));
    const { assessments } = await client().listAssessments({ pageSize: 15 });
    expect(assessments.filter(({ state }) => state === AssessmentState.CLEARED)).toHaveLength(10);
  });
});

test("a question is answered from as many rows as it may count, however many there are", async () => {
  await sql`
    insert into assessment (tenant_id, order_id, order_event_id, customer_id, state, score, matches, currency_code,
      total_minor_units, place_time, create_time, decider, decided_by, decision_note, decide_time, event_count, device_fingerprint)
    select 'demo', 'many_' || number, 'evt', 'c' || number, 'CLEARED', 0, '[]', 'EUR', 100,
      ${now}::timestamptz - make_interval(secs => number % 3000), now(), 'RULES', '', '', now(), 1,
      case when number % 2 = 0 then 'busy' else 'device-' || number end
    from generate_series(1, 6000) as number`.execute(shop.fixture.runtime.db);
  await sql`analyze assessment`.execute(shop.fixture.runtime.db);
  const asked = (value: string, currencyCode?: string) => ({
    order: { tenant: "demo", orderId: "ord_new", placeTime: now } as ScreenedOrder,
    by: "DEVICE" as const,
    windowSeconds: 3_600,
    ordersMax: 20,
    currencyCode,
    key: "",
    value,
  });
  const questions = [asked("busy"), asked("busy", "EUR"), asked("device-7"), asked("nobody")];
  const { answers, read } = await shop.fixture.runtime.transaction(async (tx) => {
    const before = await rowsReadFrom(tx, "assessment");
    const answers = await answerVelocity(tx, questions, { overtakenSeconds: 60 });
    return { answers, read: (await rowsReadFrom(tx, "assessment")) - before };
  });
  expect(answers).toEqual([20, 2_000, 1, 0]);
  expect(read).toBeLessThanOrEqual(41);
  await sql`delete from assessment where order_id like 'many_%'`.execute(shop.fixture.runtime.db);
});

test("an erased order shows nothing of what its rules looked at, and is counted by nothing but its customer", async () => {
  const buyer = { customerId: "gone", deviceFingerprint: "hers", email: "gone@mail.test", paymentMethodBin: "42424242" };
  const before = await shop.screened(order(buyer, { shippingAddress: home }));
  expect(before.facts).toMatchObject({ email: "gone@mail.test", deviceFingerprint: "hers", postalCode: "SW1A1AA", units: 2n });
  expect(before.verdicts).toHaveLength(7);
  expect(before.createTime && timestampDate(before.createTime)).toEqual(now);
  await shop.fixture.deliver(OrderErasedSchema, { orderId: before.orderId });
  const after = await shop.assessmentOf(before.orderId);
  expect([after.facts, after.verdicts, after.score]).toEqual([undefined, [], before.score]);
  const { rows } = await sql<{ row: string }>`
    select assessment::text as row from assessment where order_id = ${before.orderId}`.execute(shop.fixture.runtime.db);
  expect(rows[0]?.row).not.toMatch(/mail\.test|hers|424242|SW1A/);
});
