// Facts about one order come in any order and more than once; here each meets each.
import { create } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OrderCancelledSchema, OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { newId } from "#runtime/ids.ts";
import { serviceFixture, testTenant, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { shipping } from "./main.ts";
import { findParcels, type Tables } from "./store/shipments.ts";

let fixture: ServiceFixture<Tables>;
beforeAll(async () => {
  fixture = await serviceFixture(shipping);
});
afterAll(() => fixture.close());

const facts = ["ready", "cancelled", "stop", "dispatch due", "deliver due"] as const;
type Fact = (typeof facts)[number];

/** Tells shipping a fact about many orders at once. The same fact of one order always has the same event id. */
async function tell(fact: Fact, orderIds: readonly string[]): Promise<void> {
  switch (fact) {
    case "ready":
    case "cancelled":
      await hand(fact, orderIds);
      return;
    case "dispatch due":
    case "deliver due":
      await fallDue(fact, orderIds);
      return;
    case "stop":
      await Promise.all(
        orderIds.map(async (orderId) => {
          try {
            await fixture.client(ShippingService).stopShipment({ orderId, reason: "BUYER" });
          } catch (error) {
            if (!(error instanceof ConnectError) || reasonOf(error) !== "ALREADY_DISPATCHED") throw error;
          }
        }),
      );
  }
}

async function hand(fact: "ready" | "cancelled", orderIds: readonly string[]): Promise<void> {
  const name = fact === "ready" ? "shipping.make_parcel" : "shipping.stop_parcel";
  const hearing = fixture.parts.hears?.find((candidate) => candidate.name === name);
  if (!hearing) throw new Error(`nothing is named ${name}`);
  const events = orderIds.map((orderId) => ({
    id: `evt_${fact}_${orderId}`,
    tenant: testTenant,
    key: orderId,
    sequence: 1,
    time: new Date(),
    cause: { id: `evt_${fact}_${orderId}`, traceparent: "" },
    message:
      fact === "ready" ? create(OrderReadySchema, { orderId }) : create(OrderCancelledSchema, { orderId, reason: "EXPIRED" }),
  }));
  // A hearing hides its types, because the runtime holds those of all services in one list.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  await fixture.runtime.transaction((tx) => hearing.handle(tx as never, events as never));
}

async function fallDue(fact: "dispatch due" | "deliver due", orderIds: readonly string[]): Promise<void> {
  const kind = fact === "dispatch due" ? "shipping.dispatch" : "shipping.deliver";
  const work = fixture.parts.dueWork?.find((candidate) => candidate.kind === kind);
  if (!work) throw new Error(`no due work is named ${kind}`);
  const items = orderIds.map((orderId) => {
    const item = { id: newId("due"), kind, tenant: testTenant, key: orderId, dueTime: new Date(), attempt: 1 };
    return { item: { ...item, cause: { id: "evt_before", traceparent: "" } }, prepared: undefined };
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  await fixture.runtime.transaction((tx) => work.apply(tx as never, items as never));
}

/** What became of an order: the state of its shipment and its events, such as "STOPPED: Created Stopped". */
async function outcomeOf(orderId: string): Promise<string> {
  const events = (await fixture.sent()).filter(({ key }) => key === orderId);
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
  const state = (await findParcels(fixture.runtime.db, { tenant: testTenant, orderId }))[0]?.state ?? "none";
  return `${state}: ${events.map(({ typeName }) => typeName.replace(/.*\.Shipment/, "")).join(" ")}`.trimEnd();
}

describe("facts in pairs", () => {
  const made = "CREATED: Created";
  const dispatched = "DISPATCHED: Created Dispatched";
  const stopped = "STOPPED: Created Stopped";
  test.each([
    { first: "ready", second: "ready", want: made },
    { first: "ready", second: "cancelled", want: stopped },
    { first: "ready", second: "stop", want: stopped },
    { first: "ready", second: "dispatch due", want: dispatched },
    { first: "ready", second: "deliver due", want: made },
    { first: "cancelled", second: "ready", want: "STOPPED:" },
    { first: "cancelled", second: "cancelled", want: "STOPPED:" },
    { first: "cancelled", second: "stop", want: "STOPPED:" },
    { first: "cancelled", second: "dispatch due", want: "STOPPED:" },
    { first: "cancelled", second: "deliver due", want: "STOPPED:" },
    { first: "stop", second: "ready", want: "STOPPED: Stopped" },
    { first: "stop", second: "cancelled", want: "STOPPED: Stopped" },
    { first: "stop", second: "stop", want: "STOPPED: Stopped" },
    { first: "stop", second: "dispatch due", want: "STOPPED: Stopped" },
    { first: "stop", second: "deliver due", want: "STOPPED: Stopped" },
    { first: "dispatch due", second: "ready", want: made },
    { first: "dispatch due", second: "cancelled", want: "STOPPED:" },
    { first: "dispatch due", second: "stop", want: "STOPPED: Stopped" },
    { first: "dispatch due", second: "dispatch due", want: "none:" },
    { first: "dispatch due", second: "deliver due", want: "none:" },
    { first: "deliver due", second: "ready", want: made },
    { first: "deliver due", second: "cancelled", want: "STOPPED:" },
    { first: "deliver due", second: "stop", want: "STOPPED: Stopped" },
    { first: "deliver due", second: "dispatch due", want: "none:" },
    { first: "deliver due", second: "deliver due", want: "none:" },
  ] as const)("$first, then $second, each once or twice: $want", async ({ first, second, want }) => {
    const orderId = newId("ord");
    await tell(first, [orderId]);
    await tell(second, [orderId]);
    expect(await outcomeOf(orderId)).toBe(want);
    const repeatedId = newId("ord");
    for (const fact of [first, first, second, second]) await tell(fact, [repeatedId]);
    expect(await outcomeOf(repeatedId)).toBe(want);
  });
});

describe("what follows a parcel that has left", () => {
  const delivered = "DELIVERED: Created Dispatched Delivered";
  test.each([
    { told: ["ready", "dispatch due", "deliver due"], want: delivered },
    { told: ["ready", "dispatch due", "cancelled", "deliver due"], want: delivered },
    { told: ["ready", "dispatch due", "stop", "deliver due"], want: delivered },
    { told: ["ready", "dispatch due", "deliver due", "stop", "cancelled", "ready"], want: delivered },
    { told: ["ready", "stop", "dispatch due", "deliver due", "ready"], want: "STOPPED: Created Stopped" },
  ] as const)("$told: $want", async ({ told, want }) => {
    const orderId = newId("ord");
    for (const fact of told) await tell(fact, [orderId]);
    expect(await outcomeOf(orderId)).toBe(want);
  });
});

test("all five facts in each of their 120 orders, and all told again: a parcel that is stopped never left", async () => {
  const orders = permutations(facts).map((told) => ({ told, orderId: newId("ord") }));
  for (let position = 0; position < facts.length * 2; position += 1) {
    for (const fact of facts) {
      const now = orders.filter(({ told }) => told[position % facts.length] === fact);
      await tell(
        fact,
        now.map(({ orderId }) => orderId),
      );
    }
  }
  const outcomes = await Promise.all(orders.map(({ orderId }) => outcomeOf(orderId)));
  const allowed = [
    "STOPPED:",
    "STOPPED: Stopped",
    "STOPPED: Created Stopped",
    "DISPATCHED: Created Dispatched",
    "DELIVERED: Created Dispatched Delivered",
  ];
  expect(allowed).toEqual(expect.arrayContaining([...new Set(outcomes)]));
  // What came first, a parcel on its way or its end, decides.
  const leaves = (told: Fact[]): boolean => {
    const end = Math.min(told.indexOf("cancelled"), told.indexOf("stop"));
    return told.indexOf("ready") < told.indexOf("dispatch due") && told.indexOf("dispatch due") < end;
  };
  const wrong = orders.filter(({ told }, index) => leaves(told) === outcomes[index]?.startsWith("STOPPED"));
  expect(wrong).toEqual([]);
});

function permutations(items: readonly Fact[]): Fact[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item) => permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]));
}
