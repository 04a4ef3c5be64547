// What fraud makes of orders that are created and cancelled, in batches, late and more than once.
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { AssessmentState } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import { OrderCreatedSchema as OrderCreatedV1Schema } from "#gen/ordermesh/orders/events/v1/order_created_pb.ts";
import { OrderCancelledSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { migrateDown, migrateUp } from "#runtime/database/migrate.ts";
import { RefusedEvent } from "#runtime/events/hearing.ts";
import { newId } from "#runtime/ids.ts";
import { serviceFixture, type SentEvent, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { fraud } from "./main.ts";
import { listAssessments } from "./store/assessments.ts";
import type { Tables } from "./store/tables.ts";

let fixture: ServiceFixture<Tables>;
const now = new Date("2026-03-01T12:00:00Z");

beforeAll(async () => {
  fixture = await serviceFixture(fraud, { clock: { now: () => now }, as: "operator" });
});
afterAll(() => fixture.close());

interface Given {
  orderId?: string;
  customerId?: string;
  bin?: string;
  device?: string;
  currencyCode?: string;
  minorUnits?: bigint;
  placeTime?: Date;
}

function created({ orderId = newId("ord"), customerId = orderId, currencyCode = "EUR", minorUnits = 1_000n, ...given }: Given) {
  return {
    orderId,
    buyer: { customerId, paymentMethodBin: given.bin ?? "424242", deviceFingerprint: given.device ?? "laptop" },
    total: { currencyCode, minorUnits },
    createTime: timestampFromDate(given.placeTime ?? now),
  };
}
const cancelled = (orderId: string) => ({ orderId, reason: "EXPIRED" });
const large = { minorUnits: 500_000n };

async function sentFor(orderId: string): Promise<SentEvent[]> {
  return (await fixture.sent()).filter(({ key }) => key === orderId);
}
const kinds = (events: SentEvent[]): string[] => events.map(({ typeName }) => typeName.split(".").at(-1) ?? "");
const client = () => fixture.client(FraudService);
/** The whole queue, which is longer than a page. */
async function reviewQueue(): Promise<string[]> {
  const rows = await listAssessments(fixture.runtime.db, {
    tenant: "demo",
    state: "REVIEW",
    afterOrderId: undefined,
    rowsMax: 10_000,
  });
  return rows.map(({ orderId }) => orderId);
}

test.each([
  { given: {}, score: 0, want: "FraudCleared" },
  { given: { bin: "400000" }, score: 100, want: "FraudRejected" },
  { given: { device: "stolen-device" }, score: 100, want: "FraudRejected" },
  { given: { minorUnits: 499_999n }, score: 0, want: "FraudCleared" },
  { given: large, score: 60, want: "FraudReviewRequired" },
  { given: { ...large, currencyCode: "USD" }, score: 60, want: "FraudReviewRequired" },
  { given: { ...large, currencyCode: "GBP" }, score: 60, want: "FraudReviewRequired" },
  { given: { ...large, currencyCode: "JPY" }, score: 0, want: "FraudCleared" },
  { given: { minorUnits: 700_000n, currencyCode: "JPY" }, score: 60, want: "FraudReviewRequired" },
  { given: { ...large, bin: "400000" }, score: 160, want: "FraudRejected" },
])("the rules that come with the shop: $given scores $score, $want", async ({ given, score, want }) => {
  const order = created(given);
  await fixture.deliver(OrderCreatedSchema, order);
  const sent = await sentFor(order.orderId);
  expect(kinds(sent)).toEqual([want]);
  expect(sent).toMatchObject([{ sequence: 1, message: { score } }]);
});

test("a v1 order is screened as any other, by the time of its event where it names none", async () => {
  const order = {
    orderId: newId("ord"),
    customerId: "v1",
    currencyCode: "EUR",
    totalMinorUnits: 10n,
    paymentMethodBin: "40000011",
  };
  await fixture.deliver(OrderCreatedV1Schema, order);
  expect(await sentFor(order.orderId)).toMatchObject([
    {
      typeName: "ordermesh.fraud.events.v1.FraudRejected",
      message: { explanations: ["card starts with 400000: known stolen range"] },
    },
  ]);
});

test("the 21st order of a customer in ten minutes waits for a person, whether in one batch or in two", async () => {
  const orders = Array.from({ length: 23 }, (_, index) =>
    created({ customerId: "hasty", placeTime: new Date(now.getTime() - (30 - index) * 1_000) }),
  );
  await fixture.deliver(OrderCreatedSchema, ...orders.slice(0, 15));
  await fixture.deliver(OrderCreatedSchema, ...orders.slice(15, 22));
  await fixture.deliver(
    OrderCreatedSchema,
    ...orders.slice(22),
    created({ customerId: "hasty", placeTime: new Date(now.getTime() + 700_000) }),
  );
  const reviewed = new Set(await reviewQueue());
  expect(orders.map(({ orderId }) => reviewed.has(orderId))).toEqual(orders.map((_, index) => index >= 20));
});

test.each(["ada", "bob", "cleo", "dora"])(
  "of 60 orders of %s that arrive at once on five partitions exactly 20 pass",
  async (name) => {
    const orders = Array.from({ length: 60 }, () => created({ customerId: `burst-${name}` }));
    const partitions = [0, 1, 2, 3, 4].map((number) => orders.filter((_, index) => index % 5 === number));
    await Promise.all(partitions.map((ofPartition) => fixture.deliver(OrderCreatedSchema, ...ofPartition)));
    const reviewed = new Set(await reviewQueue());
    expect(orders.filter(({ orderId }) => !reviewed.has(orderId))).toHaveLength(20);
  },
);

/** Events as they are given to the handler, with ids and tenants of the test's choice. */
async function hand(...events: { id: string; tenant?: string; order: ReturnType<typeof created> }[]): Promise<void> {
  const hearing = fixture.parts.hears?.find(({ name }) => name === "fraud.assess");
  if (!hearing) throw new Error("nothing assesses");
  const received = events.map(({ id, tenant = "demo", order }) => ({
    id,
    tenant,
    key: order.orderId,
    sequence: 1,
    time: now,
    cause: { id, traceparent: "" },
    message: create(OrderCreatedSchema, order),
  }));
  // A hearing hides its types, because the runtime holds those of all services in one list.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  await fixture.runtime.transaction((tx) => hearing.handle(tx as never, received as never));
}

test("the same event again changes nothing", async () => {
  const order = created(large);
  await hand({ id: "evt_same", order });
  await hand({ id: "evt_same", order });
  await hand({ id: "evt_new", order: created({}) }, { id: "evt_same", order });
  expect(kinds(await sentFor(order.orderId))).toEqual(["FraudReviewRequired"]);
});

test("a second creation of an order is refused for good, alone or in one batch, and has no effect", async () => {
  const [known, twice] = [created({}), created({})];
  await hand({ id: "evt_first", order: known });
  const second = hand({ id: "evt_second", order: known });
  await expect(second).rejects.toThrow(RefusedEvent);
  await expect(second).rejects.toMatchObject({ code: "DUPLICATE_ORDER" });
  await expect(hand({ id: "evt_a", order: twice }, { id: "evt_b", order: twice })).rejects.toMatchObject({
    code: "DUPLICATE_ORDER",
  });
  expect([await sentFor(known.orderId), await sentFor(twice.orderId)].map(kinds)).toEqual([["FraudCleared"], []]);
});

test("an order without a total is refused for good", async () => {
  const order = { orderId: newId("ord"), buyer: { customerId: "ada" } };
  await expect(fixture.deliver(OrderCreatedSchema, order)).rejects.toMatchObject({ code: "ORDER_WITHOUT_TOTAL" });
});

test("tenants in one batch have their own rules, orders and customers", async () => {
  const order = created({ ...large, bin: "400000" });
  // The other has deleted those that it had.
  await sql`insert into prepared_tenant values ('other', now())`.execute(fixture.runtime.db);
  await hand({ id: newId("evt"), order }, { id: newId("evt"), tenant: "other", order });
  expect(kinds(await sentFor(order.orderId)).toSorted()).toEqual(["FraudCleared", "FraudRejected"]);
  const ofOther = await listAssessments(fixture.runtime.db, {
    tenant: "other",
    state: undefined,
    afterOrderId: undefined,
    rowsMax: 9,
  });
  expect(ofOther).toMatchObject([{ orderId: order.orderId, state: "CLEARED" }]);
});

test("the review of a cancelled order leaves the queue without an event, and nobody can decide it", async () => {
  const order = created(large);
  const { orderId } = order;
  await fixture.deliver(OrderCreatedSchema, order);
  expect(await reviewQueue()).toContain(orderId);
  await fixture.deliver(OrderCancelledSchema, cancelled(orderId), cancelled(orderId));
  await fixture.deliver(OrderCancelledSchema, cancelled(orderId));
  expect(await reviewQueue()).not.toContain(orderId);
  expect(kinds(await sentFor(orderId))).toEqual(["FraudReviewRequired"]);
  expect((await client().getAssessment({ orderId })).assessment).toMatchObject({
    state: AssessmentState.REJECTED,
    decidedBy: "order cancelled",
    decisionNote: "EXPIRED",
  });
  const decision = { orderId, decision: AssessmentState.REJECTED };
  await expect(client().decideAssessment(decision)).rejects.toThrow(/already/);
});

test("a cancellation changes nothing in what was decided", async () => {
  const order = created({});
  await fixture.deliver(OrderCreatedSchema, order);
  await fixture.deliver(OrderCancelledSchema, cancelled(order.orderId));
  expect((await client().getAssessment({ orderId: order.orderId })).assessment?.state).toBe(AssessmentState.CLEARED);
});

test("an order that is cancelled before it is created is never assessed", async () => {
  const order = created(large);
  await fixture.deliver(OrderCancelledSchema, cancelled(order.orderId), cancelled(order.orderId));
  await fixture.deliver(OrderCancelledSchema, cancelled(order.orderId));
  await fixture.deliver(OrderCreatedSchema, order, created({}));
  await fixture.deliver(OrderCreatedSchema, order);
  expect(await sentFor(order.orderId)).toEqual([]);
  await expect(client().getAssessment({ orderId: order.orderId })).rejects.toThrow(/has not been assessed/);
});

test("a person and a cancellation at once: one of them ends the review, and an event goes out only for the person", async () => {
  const orders = Array.from({ length: 20 }, () => created(large));
  await fixture.deliver(OrderCreatedSchema, ...orders);
  const decisions = orders.map(({ orderId }) =>
    client()
      .decideAssessment({ orderId, decision: AssessmentState.CLEARED })
      .then(
        () => true,
        () => false,
      ),
  );
  const cancellation = fixture.deliver(OrderCancelledSchema, ...orders.map(({ orderId }) => cancelled(orderId)));
  const won = await Promise.all(decisions);
  await cancellation;
  for (const [index, { orderId }] of orders.entries()) {
    expect(kinds(await sentFor(orderId))).toEqual(["FraudReviewRequired", ...(won[index] ? ["FraudCleared"] : [])]);
  }
});

test("the database holds the invariants, whatever the code does", async () => {
  const order = created(large);
  await fixture.deliver(OrderCreatedSchema, order);
  const { db } = fixture.runtime;
  const changes = [
    sql`update assessment set state = 'CLEARED'`,
    sql`update assessment set decider = 'PERSON', decide_time = now()`,
    sql`update assessment set state = 'REJECTED', decider = 'RULES', decide_time = now()`,
    sql`update assessment set state = 'CLEARED', decider = 'CANCELLATION', decide_time = now()`,
    sql`update assessment set state = 'CLEARED', decider = 'PERSON', decide_time = now(), event_count = 2`,
    sql`update assessment set score = 10`,
  ];
  for (const change of changes) {
    await expect(sql`${change} where order_id = ${order.orderId}`.execute(db)).rejects.toThrow(/check constraint/);
  }
  const badRules = ["{}", '{"prefix": "12x"}', '{"prefix": ""}'];
  for (const params of badRules) {
    const insert = sql`insert into rule values ('demo', ${newId("rule")}, 'bad', 5, 'bin', ${params}::jsonb, now())`;
    await expect(insert.execute(db)).rejects.toThrow(/rule_params/);
  }
});

test("migrations run down and up again", async () => {
  const options = { schema: fraud.name, folder: fraud.migrations };
  await migrateDown(fixture.runtime.db, options);
  await migrateUp(fixture.runtime.db, options);
  expect((await client().listRules({})).rules).toHaveLength(7);
});
