// Every event of a carrier with every state of a parcel; docs/shipping.md shows the same table.
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { carrierEvents, movesOf, report, type CarrierEvent } from "./carrier-events.ts";
import type { Shipment, ShipmentState } from "./shipment.ts";

const now = new Date("2026-03-01T12:00:00Z");
const before = (minutes: number): Date => new Date(now.getTime() - minutes * 60_000);

const parcel = (state: ShipmentState): Shipment => ({
  tenant: "demo",
  orderId: "ord_1",
  shipmentId: "shp_1",
  parcel: 1,
  split: null,
  customerId: "ada",
  state,
  method: "STANDARD",
  carrier: "external",
  trackingNumber: "1",
  bookingVersion: 0,
  bookingRefusal: "",
  bookingMessage: "",
  address: null,
  priority: "NORMAL",
  lines: [],
  readyEventId: "evt_1",
  stopReason: "",
  createTime: before(60),
  dispatchTime: state === "CREATED" || state === "STOPPED" ? null : before(50),
  deliverTime: state === "DELIVERED" ? before(10) : null,
  failTime: state === "DELIVERY_FAILED" ? before(20) : null,
  failReason: "",
  returnTime: state === "RETURNED" ? before(10) : null,
  stopTime: state === "STOPPED" ? before(10) : null,
  packTime: null,
  eventCount: 7,
  numberCount: 0,
});

/** The states after it, from the left; "stays" and "against" where there are none. */
const want: Record<ShipmentState, Record<CarrierEvent, string>> = {
  CREATED: {
    picked_up: "DISPATCHED",
    in_transit: "DISPATCHED",
    out_for_delivery: "DISPATCHED",
    delivered: "DISPATCHED, DELIVERED",
    delivery_failed: "DISPATCHED, DELIVERY_FAILED",
    returned_to_sender: "DISPATCHED, RETURNED",
  },
  DISPATCHED: {
    picked_up: "stays",
    in_transit: "stays",
    out_for_delivery: "stays",
    delivered: "DELIVERED",
    delivery_failed: "DELIVERY_FAILED",
    returned_to_sender: "RETURNED",
  },
  DELIVERY_FAILED: {
    picked_up: "stays",
    in_transit: "stays",
    out_for_delivery: "stays",
    delivered: "DELIVERED",
    delivery_failed: "stays",
    returned_to_sender: "RETURNED",
  },
  DELIVERED: {
    picked_up: "stays",
    in_transit: "stays",
    out_for_delivery: "stays",
    delivered: "stays",
    delivery_failed: "stays",
    returned_to_sender: "against",
  },
  RETURNED: {
    picked_up: "stays",
    in_transit: "stays",
    out_for_delivery: "stays",
    delivered: "against",
    delivery_failed: "stays",
    returned_to_sender: "stays",
  },
  STOPPED: {
    picked_up: "against",
    in_transit: "against",
    out_for_delivery: "against",
    delivered: "against",
    delivery_failed: "against",
    returned_to_sender: "against",
  },
};

const states = Object.keys(want) as ShipmentState[];
const pairs = states.flatMap((state) => carrierEvents.map((event) => ({ state, event })));

const outcomeOf = (state: ShipmentState, event: CarrierEvent): string => {
  const steps = report(parcel(state), { event, time: before(1), detail: "", isOld: false }, now);
  if (steps === "against") return "against";
  return steps.length === 0 ? "stays" : steps.map((step) => step.state).join(", ");
};

test.each(pairs)("a parcel that is $state: $event", ({ state, event }) => {
  expect(outcomeOf(state, event)).toBe(want[state][event]);
});

test("the page shows the same table", async () => {
  const page = await readFile(new URL("../../../docs/shipping.md", import.meta.url), "utf8");
  const rows = page.split("\n").map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.replaceAll("`", "").trim()),
  );
  for (const event of carrierEvents) {
    const row = rows.find(([first, ...rest]) => first === event && rest.length === states.length);
    expect(row?.slice(1), event).toEqual(states.map((state) => want[state][event]));
  }
});

test("each step is one event more, and happens when the carrier says, but not later than now", () => {
  const event = { event: "delivered", detail: "", isOld: false } as const;
  expect(report(parcel("CREATED"), { ...event, time: before(5) }, now)).toMatchObject([
    { state: "DISPATCHED", dispatchTime: before(5), eventCount: 8 },
    { state: "DELIVERED", dispatchTime: before(5), deliverTime: before(5), eventCount: 9 },
  ]);
  expect(report(parcel("DISPATCHED"), { ...event, time: before(-5) }, now)).toMatchObject([{ deliverTime: now }]);
});

test("a failure that is told after something later changes nothing but that the parcel has left; ends are ends, however late", () => {
  const old = { time: before(5), detail: "", isOld: true };
  expect(report(parcel("DISPATCHED"), { ...old, event: "delivery_failed" }, now)).toEqual([]);
  expect(report(parcel("CREATED"), { ...old, event: "delivery_failed" }, now)).toMatchObject([{ state: "DISPATCHED" }]);
  for (const event of ["delivered", "returned_to_sender"] as const) {
    expect(report(parcel("DISPATCHED"), { ...old, event }, now)).toMatchObject([{ dispatchTime: before(50) }]);
  }
});

/** Every order in which the events of one honest way can arrive. */
function permutations<Item>(items: readonly Item[]): Item[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item) => permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]));
}

test.each(["delivered", "returned_to_sender"] as const)("a way that ends %s ends so in whatever order it is told", (end) => {
  const way = (["picked_up", "in_transit", "delivery_failed", "out_for_delivery", end] as const).map((event, index) => ({
    event,
    time: before(30 - index),
  }));
  for (const told of permutations(way)) {
    let shipment = parcel("CREATED");
    let newest = before(100);
    for (const { event, time } of told) {
      const steps = report(shipment, { event, time, detail: "", isOld: time < newest }, now);
      expect(steps).not.toBe("against");
      if (steps !== "against") shipment = steps.at(-1) ?? shipment;
      if (time > newest) newest = time;
    }
    expect(shipment.state).toBe(end === "delivered" ? "DELIVERED" : "RETURNED");
    expect(movesOf[shipment.state].picked_up).toEqual([]);
  }
});
