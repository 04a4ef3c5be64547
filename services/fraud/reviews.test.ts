// The queue of reviews: in the order of their deadlines, worked on by one person at a time, and ended in time.
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { AssessmentState, DeadlineDecision } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import { OrderCancelledSchema, OrderErasedSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { refusal } from "../../test/support/refusal.ts";
import { fraudShop, order, type FraudShop, type NewOrder } from "./fraud.fixture.ts";

let shop: FraudShop;
let now = new Date("2026-03-01T12:00:00Z");
beforeAll(async () => {
  shop = await fraudShop({ now: () => now });
});
afterAll(() => shop.fixture.close());
afterEach(async () => {
  const { fixture } = shop;
  await sql`delete from review_note`.execute(fixture.runtime.db);
  await sql`delete from assessment`.execute(fixture.runtime.db);
  await sql`delete from due_work`.execute(fixture.runtime.db);
});

const client = () => shop.client();
const after = (seconds: number): Date => new Date(now.getTime() + seconds * 1_000);
const large = { total: { currencyCode: "EUR", minorUnits: 500_000n } };

/** An order that goes into review, and ends after so many seconds. */
const doubtful = (expiresInSeconds = 900): NewOrder =>
  order({}, { ...large, expireTime: timestampFromDate(after(expiresInSeconds)) });

const policy = (reviewSeconds: number, atDeadline: DeadlineDecision = DeadlineDecision.REJECT) =>
  client().updatePolicy({ policy: { reviewScoreMin: 50, rejectScoreMin: 100, reviewSeconds, atDeadline } });

async function kindsSent(orderId: string): Promise<string[]> {
  const sent = await shop.fixture.sent();
  return sent.filter(({ key }) => key === orderId).map(({ typeName }) => typeName.split(".").at(-1) ?? "");
}

const planned = async (): Promise<string[]> =>
  (await sql<{ key: string }>`select key from due_work`.execute(shop.fixture.runtime.db)).rows.map(({ key }) => key);

const queueOf = async (request: { unclaimedOnly?: boolean } = {}): Promise<string[]> =>
  (await client().listReviews(request)).assessments.map(({ orderId }) => orderId);

test("without a word of the shop a review has the time of its order, whose end decides", async () => {
  const { orderId, reviewDeadline } = await shop.screened(doubtful(900));
  expect(reviewDeadline && timestampDate(reviewDeadline)).toEqual(after(900));
  expect(await planned()).toEqual([]);
  const endless = await shop.screened(order({}, large));
  expect(endless.reviewDeadline && timestampDate(endless.reviewDeadline)).toEqual(after(86_400));
  expect(await planned()).toEqual([endless.orderId]);
  const cleared = await shop.screened(order());
  expect(cleared.reviewDeadline).toBeUndefined();
  expect(await queueOf()).toEqual([orderId, endless.orderId]);
});

test("the queue has the most urgent first, page by page", async () => {
  const expiries = [500, 100, 300, 100, 400];
  const orders = expiries.map(doubtful);
  await shop.deliver(...orders);
  const byUrgency = orders
    .map(({ orderId }, index) => ({ orderId, seconds: expiries[index] ?? 0 }))
    .toSorted((one, other) => one.seconds - other.seconds || (one.orderId < other.orderId ? -1 : 1))
    .map(({ orderId }) => orderId);
  const listed: string[] = [];
  let pageToken = "";
  do {
    const page = await client().listReviews({ pageSize: 2, pageToken });
    listed.push(...page.assessments.map(({ orderId }) => orderId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(listed).toEqual(byUrgency);
  const { nextPageToken } = await client().listAssessments({ pageSize: 1 });
  expect((await refusal(client().listReviews({ pageToken: nextPageToken }))).reason).toBe("PAGE_TOKEN_INVALID");
});

test.each([
  { atDeadline: DeadlineDecision.REJECT, want: "FraudRejected", state: AssessmentState.REJECTED },
  { atDeadline: DeadlineDecision.CLEAR, want: "FraudCleared", state: AssessmentState.CLEARED },
])("at the deadline the shop's policy decides, once, with one event: $want", async ({ atDeadline, want, state }) => {
  await policy(300, atDeadline);
  const { orderId, reviewDeadline } = await shop.screened(doubtful(900));
  expect(reviewDeadline && timestampDate(reviewDeadline)).toEqual(after(300));
  expect(await shop.fixture.runDue(after(299))).toBe(0);
  expect(await shop.fixture.runDue(after(300))).toBe(1);
  expect(await shop.fixture.runDue(after(900))).toBe(0);
  expect(await kindsSent(orderId)).toEqual(["FraudReviewRequired", want]);
  expect(await shop.assessmentOf(orderId)).toMatchObject({ state, decidedBy: "deadline", claimedBy: "" });
  for (const decision of [AssessmentState.CLEARED, AssessmentState.REJECTED]) {
    expect((await refusal(client().decideAssessment({ orderId, decision }))).reason).toBe("ASSESSMENT_ALREADY_DECIDED");
  }
  await policy(0);
});

test("a policy that clears says after how long", async () => {
  expect((await refusal(policy(0, DeadlineDecision.CLEAR))).code).toBe(Code.InvalidArgument);
});

test("nothing is left to do where a person decided, or the order ended, in time", async () => {
  await policy(300);
  const [decided, ended] = [doubtful(), doubtful()];
  await shop.deliver(decided, ended);
  expect((await planned()).toSorted()).toEqual([decided.orderId, ended.orderId].toSorted());
  await client().decideAssessment({ orderId: decided.orderId, decision: AssessmentState.CLEARED });
  await shop.fixture.deliver(OrderCancelledSchema, { orderId: ended.orderId, reason: "EXPIRED" });
  expect(await planned()).toEqual([]);
  expect(await kindsSent(ended.orderId)).toEqual(["FraudReviewRequired"]);
  await policy(0);
});

test("of a person, the end of the order and the deadline at one moment one decides, and at most one event tells it", async () => {
  await policy(300);
  const orders = Array.from({ length: 12 }, () => doubtful());
  await shop.deliver(...orders);
  const ids = orders.map(({ orderId }) => orderId);
  const byPerson = ids.map((orderId) => client().decideAssessment({ orderId, decision: AssessmentState.CLEARED }));
  const cancelled = ids.slice(8).map((orderId) => shop.fixture.deliver(OrderCancelledSchema, { orderId, reason: "EXPIRED" }));
  const [answers] = await Promise.all([Promise.allSettled(byPerson), Promise.all(cancelled), shop.fixture.runDue(after(300))]);
  for (const [index, orderId] of ids.entries()) {
    const { decidedBy, state } = await shop.assessmentOf(orderId);
    expect(answers[index]?.status === "fulfilled").toBe(decidedBy === "operator");
    const told = { operator: ["FraudCleared"], deadline: ["FraudRejected"] }[decidedBy] ?? [];
    expect(await kindsSent(orderId)).toEqual(["FraudReviewRequired", ...told]);
    expect(state === AssessmentState.CLEARED).toBe(decidedBy === "operator");
  }
  expect(await planned()).toEqual([]);
  await policy(0);
});

test("who takes a review has it for a time, and alone decides it", async () => {
  const [own, others] = [doubtful(100), doubtful(200)];
  await shop.deliver(own, others);
  const { assessment } = await client().claimReview({ orderId: own.orderId, leaseSeconds: 60 });
  expect(assessment).toMatchObject({ claimedBy: "operator", claimExpireTime: timestampFromDate(after(60)) });
  await sql`
    update assessment set claimed_by = 'paul', claim_expire_time = ${after(30)} where order_id = ${others.orderId}`.execute(
    shop.fixture.runtime.db,
  );
  expect(await queueOf({ unclaimedOnly: true })).toEqual([]);
  expect(await queueOf()).toEqual([own.orderId, others.orderId]);
  const { orderId } = others;
  const claimed = { code: Code.FailedPrecondition, reason: "REVIEW_CLAIMED" };
  const calls = [
    client().claimReview({ orderId }),
    client().releaseReview({ orderId }),
    client().decideAssessment({ orderId, decision: AssessmentState.CLEARED }),
  ];
  expect(await Promise.all(calls.map(refusal))).toEqual([claimed, claimed, claimed]);
  await client().releaseReview({ orderId: own.orderId });
  expect(await queueOf({ unclaimedOnly: true })).toEqual([own.orderId]);
  now = after(30);
  expect(await queueOf({ unclaimedOnly: true })).toEqual([own.orderId, orderId]);
  await client().claimReview({ orderId });
  await client().decideAssessment({ orderId, decision: AssessmentState.CLEARED });
  expect((await refusal(client().claimReview({ orderId }))).reason).toBe("ASSESSMENT_ALREADY_DECIDED");
});

test("notes stay with the assessment until its customer is erased", async () => {
  const { orderId } = await shop.screened(doubtful());
  await client().addReviewNote({ orderId, text: "called, no answer" });
  await client().addReviewNote({ orderId, text: "called again" });
  expect((await shop.assessmentOf(orderId)).notes).toMatchObject([
    { author: "operator", text: "called, no answer", createTime: timestampFromDate(now) },
    { author: "operator", text: "called again" },
  ]);
  await sql`
    insert into review_note (tenant_id, order_id, author, text, create_time)
    select 'demo', ${orderId}, 'paul', 'more', now() from generate_series(1, 98)`.execute(shop.fixture.runtime.db);
  expect((await refusal(client().addReviewNote({ orderId, text: "one too many" }))).reason).toBe("TOO_MANY_NOTES");
  await shop.fixture.deliver(OrderCancelledSchema, { orderId, reason: "EXPIRED" });
  await shop.fixture.deliver(OrderErasedSchema, { orderId });
  expect((await shop.assessmentOf(orderId)).notes).toEqual([]);
  expect((await refusal(client().addReviewNote({ orderId, text: "late" }))).reason).toBe("ASSESSMENT_ERASED");
});
