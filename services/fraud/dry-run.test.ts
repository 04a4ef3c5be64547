// Rules that are tried on past orders say what they would have made of them, and change nothing.
import type { Message, MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AssessmentState, RuleMode, VelocityBy } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import type { DryRunRulesRequestSchema, DryRunRulesResponse } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { ListKind } from "#gen/ordermesh/fraud/v1/list_pb.ts";
import { OrderErasedSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { refusal } from "../../test/support/refusal.ts";
import { rowsReadFrom } from "../../test/support/rows-read.ts";
import { fraudShop, order, type FraudShop } from "./fraud.fixture.ts";
import { pastAssessments } from "./store/past.ts";

let shop: FraudShop;
let now = new Date("2026-03-01T12:00:00Z");
const start = now;
const client = () => shop.client();
const range = () => ({ startTime: timestampFromDate(start), endTime: timestampFromDate(new Date(start.getTime() + 3_600_000)) });
const large = { total: { currencyCode: "EUR", minorUnits: 500_000n } };

/** 20 orders, a second after the other: 4 large, 1 by a stolen card, 8 from one device, 2 of an erased customer. */
const orders = [
  ...Array.from({ length: 4 }, () => order({}, large)),
  order({ paymentMethodBin: "400000" }),
  ...Array.from({ length: 8 }, () => order({ deviceFingerprint: "farm" })),
  ...Array.from({ length: 7 }, () => order()),
];
const idsOf = (from: number, to: number): string[] => orders.slice(from, to).map(({ orderId }) => orderId);

beforeAll(async () => {
  shop = await fraudShop({ now: () => now });
  for (const one of orders) {
    await shop.deliver(one);
    now = new Date(now.getTime() + 1_000);
  }
  for (const orderId of idsOf(18, 20)) await shop.fixture.deliver(OrderErasedSchema, { orderId });
  await sql`
    insert into assessment (tenant_id, order_id, order_event_id, customer_id, state, score, matches, currency_code,
      total_minor_units, place_time, create_time, decider, decided_by, decision_note, decide_time, event_count)
    values ('demo', 'ord_old', 'evt', 'ada', 'CLEARED', 0, '[]', 'EUR', 1, ${start}, ${start}, 'RULES', '', '', ${start}, 1)`.execute(
    shop.fixture.runtime.db,
  );
});
afterAll(() => shop.fixture.close());

const everything = async (): Promise<string> => {
  const { rows } = await sql<{ text: string }>`
    select string_agg(row::text, ' ' order by row::text) as text from (
      select assessment::text from assessment union all select rule::text from rule union all select rule_set::text from rule_set
      union all select audit_entry::text from audit_entry union all select event_id from outbox
    ) as everything (row)`.execute(shop.fixture.runtime.db);
  return rows[0]?.text ?? "";
};

test("the rules in force would do what they did, and nothing is changed by asking", async () => {
  const before = await everything();
  const run = await client().dryRunRules(range());
  expect(run).toMatchObject({
    orders: 18,
    skippedErased: 2,
    skippedUnknown: 1,
    was: { cleared: 13, review: 4, rejected: 1 },
    would: { cleared: 13, review: 4, rejected: 1 },
    changed: 0,
    examples: [],
    nextPageToken: "",
  });
  expect(run.rules.filter(({ matched }) => matched > 0)).toMatchObject([
    { description: "known stolen range", matched: 1, matchedThen: 1 },
    { description: "large order in EUR", matched: 4, matchedThen: 4 },
  ]);
  expect(await everything()).toBe(before);
});

test("a rule that is added, one that is replaced and one that is removed", async () => {
  const { rules } = await client().listRules({});
  const [stolen, large] = ["known stolen range", "large order in EUR"].map((text) =>
    rules.find((rule) => rule.description === text),
  );
  const burst = { case: "velocity", value: { by: VelocityBy.DEVICE, ordersMax: 5, windowSeconds: 60 } } as const;
  const run = await client().dryRunRules({
    ...range(),
    putRules: [
      { description: "farms", weight: 100, condition: burst },
      { ...large!, weight: 10 },
    ],
    removeRuleIds: [stolen!.ruleId],
  });
  expect(run).toMatchObject({
    was: { cleared: 13, review: 4, rejected: 1 },
    would: { cleared: 15, review: 0, rejected: 3 },
    changed: 8,
  });
  expect(run.rules.at(-1)).toMatchObject({ ruleId: "new-1", description: "farms", matched: 3, matchedThen: 0 });
  expect(run.rules.map(({ ruleId }) => ruleId)).not.toContain(stolen!.ruleId);
  expect(run.examples.map(({ orderId }) => orderId)).toEqual([...idsOf(0, 5), ...idsOf(10, 13)]);
  expect(run.examples[0]).toMatchObject({
    was: AssessmentState.REVIEW,
    scoreWas: 60,
    would: AssessmentState.CLEARED,
    scoreWould: 10,
  });
  expect(run.examples.at(-1)).toMatchObject({
    was: AssessmentState.CLEARED,
    would: AssessmentState.REJECTED,
    explanations: ["more than 5 orders of the device in 60 seconds: farms"],
  });
});

test("other thresholds, a whole other set, a list as it is now, and what a shadow would not do", async () => {
  const strict = await client().dryRunRules({ ...range(), policy: { reviewScoreMin: 10, rejectScoreMin: 60 } });
  expect(strict.would).toMatchObject({ cleared: 13, review: 0, rejected: 5 });
  const listId = await shop.newList(ListKind.DEVICE, "farm");
  const listed = { description: "listed", weight: 60, condition: { case: "list" as const, value: { listId } } };
  const only = await client().dryRunRules({ ...range(), withoutCurrent: true, putRules: [listed] });
  expect(only).toMatchObject({ would: { cleared: 10, review: 8, rejected: 0 }, rules: [{ ruleId: "new-1", matched: 8 }] });
  const shadow = await client().dryRunRules({ ...range(), putRules: [{ ...listed, mode: RuleMode.SHADOW }] });
  expect(shadow).toMatchObject({ changed: 0 });
  expect(shadow.rules.at(-1)).toMatchObject({ matched: 8 });
});

test("pages add up to the whole, also where a page ends within what belongs together", async () => {
  const burst = { case: "velocity", value: { by: VelocityBy.DEVICE, ordersMax: 5, windowSeconds: 60 } } as const;
  const request = { ...range(), putRules: [{ description: "farms", weight: 100, condition: burst }] };
  const whole = await client().dryRunRules(request);
  const pages: DryRunRulesResponse[] = [];
  do pages.push(await client().dryRunRules({ ...request, pageSize: 4, pageToken: pages.at(-1)?.nextPageToken ?? "" }));
  while (pages.at(-1)?.nextPageToken !== "");
  expect(pages).toHaveLength(6);
  const sum = (of: (page: DryRunRulesResponse) => number | undefined): number =>
    pages.reduce((total, page) => total + (of(page) ?? 0), 0);
  expect([sum((page) => page.orders), sum((page) => page.changed), sum((page) => page.would?.rejected)]).toEqual([18, 3, 4]);
  expect(pages.flatMap(({ examples }) => examples)).toEqual(whole.examples);
});

test("orders of one moment count one after the other, as they did", async () => {
  const same = Array.from({ length: 9 }, () => order({ deviceFingerprint: "machine" }));
  await shop.deliver(...same);
  const burst = { case: "velocity", value: { by: VelocityBy.DEVICE, ordersMax: 4, windowSeconds: 60 } } as const;
  const startTime = timestampFromDate(now);
  const run = await client().dryRunRules({
    ...range(),
    startTime,
    putRules: [{ description: "farms", weight: 100, condition: burst }],
  });
  expect(run.would).toMatchObject({ cleared: 4, rejected: 5 });
});

type Change = Exclude<MessageInitShape<typeof DryRunRulesRequestSchema>, Message>;

test.each<{ why: string; change: Change; want: string }>([
  { why: "a rule that is not in force", change: { removeRuleIds: ["rule_none"] }, want: "RULE_NOT_FOUND" },
  {
    why: "a list that is not there",
    change: { putRules: [{ description: "x", weight: 1, condition: { case: "list", value: { listId: "lst_none" } } }] },
    want: "LIST_NOT_FOUND",
  },
  { why: "a token of another list", change: { pageToken: "bm9uc2Vuc2U" }, want: "PAGE_TOKEN_INVALID" },
])("$why is refused", async ({ change, want }) => {
  expect((await refusal(client().dryRunRules({ ...range(), ...change }))).reason).toBe(want);
});

test("a range that ends before it starts is refused", async () => {
  const { startTime, endTime } = range();
  expect((await refusal(client().dryRunRules({ startTime: endTime, endTime: startTime }))).code).toBe(Code.InvalidArgument);
});

test("a page is read from its own rows, however many there are", async () => {
  const { db } = shop.fixture.runtime;
  await sql`
    insert into assessment (tenant_id, order_id, order_event_id, customer_id, state, score, matches, currency_code,
      total_minor_units, place_time, create_time, decider, decided_by, decision_note, decide_time, event_count)
    select 'demo', 'many_' || number, 'evt', 'c', 'CLEARED', 0, '[]', 'EUR', 1, ${start}::timestamptz - make_interval(secs => number),
      now(), 'RULES', '', '', now(), 1 from generate_series(1, 4000) as number`.execute(db);
  await sql`analyze assessment`.execute(db);
  const read = await shop.fixture.runtime.transaction(async (tx) => {
    const before = await rowsReadFrom(tx, "assessment");
    const startTime = new Date(start.getTime() - 3_000_000);
    const page = { tenant: "demo", startTime, endTime: start, after: undefined, rowsMax: 11 };
    expect(await pastAssessments(tx, page)).toHaveLength(11);
    return (await rowsReadFrom(tx, "assessment")) - before;
  });
  expect(read).toBeLessThanOrEqual(11);
});
