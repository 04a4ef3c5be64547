// What operators see and decide.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AssessmentState, type Assessment } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { newId } from "#runtime/ids.ts";
import { refusal } from "../../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../../test/support/service-fixture.ts";
import { fraud } from "../main.ts";
import type { Tables } from "../store/tables.ts";

let fixture: ServiceFixture<Tables>;
beforeAll(async () => {
  fixture = await serviceFixture(fraud, { as: "operator" });
});
afterAll(() => fixture.close());

const client = () => fixture.client(FraudService);

async function screened(count: number, minorUnits = 600_000n): Promise<string[]> {
  const orderIds = Array.from({ length: count }, () => newId("ord"));
  const orders = orderIds.map((orderId) => ({
    orderId,
    buyer: { customerId: orderId, paymentMethodBin: "424242" },
    total: { currencyCode: "USD", minorUnits },
  }));
  await fixture.deliver(OrderCreatedSchema, ...orders);
  return orderIds;
}

async function review(): Promise<string> {
  const [orderId = ""] = await screened(1);
  return orderId;
}

const sentFor = async (orderId: string): Promise<{ typeName: string; sequence: number }[]> =>
  (await fixture.sent()).filter(({ key }) => key === orderId);

test("an assessment says what the rules saw", async () => {
  const orderId = await review();
  const { assessment } = await client().getAssessment({ orderId });
  expect(assessment).toMatchObject({
    orderId,
    customerId: orderId,
    state: AssessmentState.REVIEW,
    score: 60,
    matches: [
      {
        ruleId: "rule_01kdvdna00e008000000000003",
        weight: 60,
        explanation: "total of 6,000.00 USD is 5,000.00 USD or more: large order in USD",
      },
    ],
    total: { currencyCode: "USD", minorUnits: 600_000n },
    decidedBy: "",
  });
  expect(assessment?.createTime).toBeDefined();
  expect(assessment?.decideTime).toBeUndefined();
});

test("an order that nobody has screened has no assessment", async () => {
  const want = { code: Code.NotFound, reason: "ASSESSMENT_NOT_FOUND" };
  expect(await refusal(client().getAssessment({ orderId: "ord_none" }))).toEqual(want);
  const decision = { orderId: "ord_none", decision: AssessmentState.CLEARED };
  expect(await refusal(client().decideAssessment(decision))).toEqual(want);
});

test.each([
  { decision: AssessmentState.CLEARED, other: AssessmentState.REJECTED, want: "FraudCleared" },
  { decision: AssessmentState.REJECTED, other: AssessmentState.CLEARED, want: "FraudRejected" },
])(
  "a person's decision is told once as $want, repeated as the first, and not turned round",
  async ({ decision, other, want }) => {
    const orderId = await review();
    const first = await client().decideAssessment({ orderId, decision, note: "called the buyer" });
    expect(first.assessment).toMatchObject({
      state: decision,
      decidedBy: "operator",
      decisionNote: "called the buyer",
      score: 60,
    });
    expect(first.assessment?.decideTime && timestampDate(first.assessment.decideTime)).toBeInstanceOf(Date);
    expect(await client().decideAssessment({ orderId, decision })).toEqual(first);
    expect(await refusal(client().decideAssessment({ orderId, decision: other }))).toEqual({
      code: Code.FailedPrecondition,
      reason: "ASSESSMENT_ALREADY_DECIDED",
    });
    expect(await sentFor(orderId)).toMatchObject([
      { typeName: "ordermesh.fraud.events.v1.FraudReviewRequired", sequence: 1 },
      { typeName: `ordermesh.fraud.events.v1.${want}`, sequence: 2 },
    ]);
  },
);

test("who decides is whose token it is, whatever the request says", async () => {
  const orderId = await review();
  // oxlint-disable-next-line typescript/no-deprecated -- programs made when it was required send it
  const { assessment } = await client().decideAssessment({ orderId, decision: AssessmentState.CLEARED, decidedBy: "paul" });
  expect(assessment?.decidedBy).toBe("operator");
});

test("what the rules decided is not a person's to decide", async () => {
  const [orderId = ""] = await screened(1, 100n);
  const decision = { orderId, decision: AssessmentState.CLEARED };
  expect((await refusal(client().decideAssessment(decision))).reason).toBe("ASSESSMENT_ALREADY_DECIDED");
});

test.each([AssessmentState.UNSPECIFIED, AssessmentState.REVIEW])("%i is no decision", async (decision) => {
  const orderId = await review();
  const call = client().decideAssessment({ orderId, decision });
  expect((await refusal(call)).code).toBe(Code.InvalidArgument);
});

test("of 20 decisions at once, half of them for each side, one side wins and one event goes out", async () => {
  const orderId = await review();
  const decisions = Array.from({ length: 20 }, (_, index) =>
    index % 2 === 0 ? AssessmentState.CLEARED : AssessmentState.REJECTED,
  );
  const answers = await Promise.allSettled(decisions.map((decision) => client().decideAssessment({ orderId, decision })));
  const given = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
  expect(given).toHaveLength(10);
  expect(new Set(given.map(({ assessment }) => `${assessment?.state} by ${assessment?.decidedBy}`)).size).toBe(1);
  expect(await sentFor(orderId)).toHaveLength(2);
});

test("the list has every assessment once, the newest order first, whatever the page size", async () => {
  await screened(5);
  await screened(4, 100n);
  const listed: Assessment[] = [];
  let pageToken = "";
  do {
    const page = await client().listAssessments({ pageSize: 3, pageToken });
    expect(page.assessments.length).toBeLessThanOrEqual(3);
    listed.push(...page.assessments);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  const ids = listed.map(({ orderId }) => orderId);
  const { assessments } = await client().listAssessments({ pageSize: 200 });
  expect(ids).toEqual(assessments.map(({ orderId }) => orderId));
  expect(ids).toEqual([...new Set(ids)].toSorted().toReversed());
  const { assessments: cleared } = await client().listAssessments({ state: AssessmentState.CLEARED, pageSize: 200 });
  expect(cleared.map(({ orderId }) => orderId)).toEqual(
    listed.filter(({ state }) => state === AssessmentState.CLEARED).map(({ orderId }) => orderId),
  );
});

test.each(["nonsense", "****", Buffer.from('["ALL"]').toString("base64url"), Buffer.from("[]").toString("base64url")])(
  "the page token %s is refused",
  async (pageToken) => {
    expect(await refusal(client().listAssessments({ pageToken }))).toEqual({
      code: Code.InvalidArgument,
      reason: "PAGE_TOKEN_INVALID",
    });
  },
);

test("a page token of another list is refused", async () => {
  await screened(2);
  const { nextPageToken } = await client().listAssessments({ state: AssessmentState.REVIEW, pageSize: 1 });
  expect((await refusal(client().listAssessments({ pageSize: 1, pageToken: nextPageToken }))).reason).toBe("PAGE_TOKEN_INVALID");
});

test.each([
  { condition: { case: "bin", value: { prefix: "55" } } },
  { condition: { case: "device", value: { fingerprint: "phone" } } },
  { condition: { case: "velocity", value: { ordersMax: 5, windowSeconds: 60 } } },
  { condition: { case: "amount", value: { atLeast: { currencyCode: "EUR", minorUnits: 9_900n } } } },
] as const)(
  "a rule is listed as it was created, after the older ones, until it is deleted: $condition",
  async ({ condition }) => {
    const { rule } = await client().createRule({
      rule: { ruleId: "rule_mine", description: "for the test", weight: 5, condition },
    });
    expect(rule).toMatchObject({ description: "for the test", weight: 5, condition });
    expect(rule?.ruleId).toMatch(/^rule_[0-9a-z]{26}$/);
    expect((await client().listRules({})).rules.at(-1)).toEqual(rule);
    await client().deleteRule({ ruleId: rule?.ruleId ?? "" });
    expect((await client().listRules({})).rules).toHaveLength(7);
    expect(await refusal(client().deleteRule({ ruleId: rule?.ruleId ?? "" }))).toEqual({
      code: Code.NotFound,
      reason: "RULE_NOT_FOUND",
    });
  },
);

test("a new rule holds for orders from then on, and not for those before", async () => {
  const [before = ""] = await screened(1, 77n);
  const condition = { case: "amount", value: { atLeast: { currencyCode: "USD", minorUnits: 77n } } } as const;
  const { rule } = await client().createRule({ rule: { description: "not cheap", weight: 100, condition } });
  const [after = ""] = await screened(1, 77n);
  await client().deleteRule({ ruleId: rule?.ruleId ?? "" });
  const states = await Promise.all(
    [before, after].map(async (orderId) => (await client().getAssessment({ orderId })).assessment?.state),
  );
  expect(states).toEqual([AssessmentState.CLEARED, AssessmentState.REJECTED]);
});

test.each([
  { description: "no condition", weight: 5 },
  { description: "too heavy", weight: 101, condition: { case: "bin", value: { prefix: "55" } } },
  { description: "no digits", weight: 5, condition: { case: "bin", value: { prefix: "x" } } },
] as const)("a rule with $description is refused", async (rule) => {
  expect((await refusal(client().createRule({ rule }))).code).toBe(Code.InvalidArgument);
});

test("there are never more than 500 rules, also when many are created at once; an event takes their explanations", async () => {
  const rule = { description: "d".repeat(500), weight: 1, condition: { case: "bin", value: { prefix: "9" } } } as const;
  await sql`
    insert into rule (tenant_id, rule_id, description, weight, kind, params, create_time)
    select 'demo', 'rule_' || number, ${rule.description}, 1, 'bin', '{"prefix": "9"}', now()
    from generate_series(1, 483) as number`.execute(fixture.runtime.db);
  const answers = await Promise.allSettled(Array.from({ length: 20 }, () => client().createRule({ rule })));
  const refused = answers.filter((answer) => answer.status === "rejected");
  expect(refused).toHaveLength(10);
  expect(new Set(refused.map(({ reason }) => reasonOf(reason)))).toEqual(new Set(["TOO_MANY_RULES"]));
  expect((await client().listRules({})).rules).toHaveLength(500);
  const orderId = newId("ord");
  const order = {
    orderId,
    buyer: { customerId: "ada", paymentMethodBin: "999999" },
    total: { currencyCode: "USD", minorUnits: 1n },
  };
  await fixture.deliver(OrderCreatedSchema, order);
  expect((await client().getAssessment({ orderId })).assessment).toMatchObject({ score: 493, state: AssessmentState.REJECTED });
  const [event] = (await fixture.sent()).filter(({ key }) => key === orderId);
  expect(event?.message.explanations).toHaveLength(20);
});
