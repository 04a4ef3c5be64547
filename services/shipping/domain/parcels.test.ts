// What can be taken out of a parcel, and what speaks against it by name.
import { expect, test } from "vitest";
import { parcelsMax, split, stepsOf, withParcel, type SplitRefusal } from "./parcels.ts";
import { stopAll } from "./stopping.ts";
import { dispatch, makeParcel, type Line, type Shipment } from "./shipment.ts";

const now = new Date("2026-03-01T12:00:00Z");
const mugs = (quantity: number): Line => ({ sku: "MUG", quantity });
const tea = (quantity: number): Line => ({ sku: "TEA", quantity });

const parcel = (change: Partial<Shipment> = {}): Shipment => ({
  ...makeParcel(
    {
      tenant: "demo",
      orderId: "ord_1",
      customerId: "ada",
      priority: "NORMAL",
      lines: [mugs(2), tea(3)],
      eventId: "evt_1",
      method: "STANDARD",
      address: null,
    },
    { shipmentId: "shp_1", carrier: "sandbox", trackingNumber: "1", now },
  ),
  ...change,
});
const wishOf = (lines: Line[], requestId = "split-1") => ({
  shipmentId: "shp_1",
  lines,
  requestId,
  requestHash: Buffer.from(JSON.stringify(lines)),
});
const sandbox = { name: "sandbox", trackingNumber: (shipmentId: string) => shipmentId.replace("shp_", "") };
const about = { isHeld: false, shipmentId: "shp_2", carrier: sandbox, now };

test("units go from one parcel into another of its order, which has a number and a place of its own", () => {
  const outcome = split([parcel()], wishOf([mugs(1), tea(3)]), about);
  expect(outcome).toMatchObject({
    kind: "split",
    rest: { shipmentId: "shp_1", parcel: 1, lines: [mugs(1)], split: null },
    made: {
      shipmentId: "shp_2",
      parcel: 2,
      trackingNumber: "2",
      lines: [mugs(1), tea(3)],
      state: "CREATED",
      split: { fromShipmentId: "shp_1", requestId: "split-1" },
      readyEventId: "evt_1",
    },
  });
});

test("the same wish again is the same split, and another one under its name is refused", () => {
  const first = split([parcel()], wishOf([mugs(1)]), about);
  if (first.kind !== "split") throw new Error(first.kind);
  const both = [first.rest, first.made];
  expect(split(both, wishOf([mugs(1)]), { ...about, shipmentId: "shp_3" })).toMatchObject({
    kind: "repeated",
    made: { shipmentId: "shp_2" },
  });
  expect(split(both, wishOf([tea(1)]), about)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
});

test.each<{ why: string; parcels?: Shipment[]; lines?: Line[]; isHeld?: boolean; reason: SplitRefusal }>([
  { why: "more units than there are", lines: [mugs(3)], reason: "SPLIT_UNITS_EXCEEDED" },
  { why: "a SKU that is not in it", lines: [{ sku: "CUP", quantity: 1 }], reason: "SPLIT_UNITS_EXCEEDED" },
  { why: "all of it", lines: [mugs(2), tea(3)], reason: "SPLIT_LEAVES_NOTHING" },
  { why: "one that is packed", parcels: [parcel({ packTime: now })], reason: "SHIPMENT_PACKED" },
  { why: "one whose order is being changed", isHeld: true, reason: "SHIPMENT_ON_HOLD" },
  { why: "one that has left", parcels: [parcel({ state: "DISPATCHED" })], reason: "ALREADY_DISPATCHED" },
  { why: "one that came back", parcels: [parcel({ state: "RETURNED" })], reason: "ALREADY_DISPATCHED" },
  { why: "one that was stopped", parcels: [parcel({ state: "STOPPED" })], reason: "SHIPMENT_STOPPED" },
  {
    why: "one of as many as there may be",
    parcels: Array.from({ length: parcelsMax }, (_, index) => parcel({ parcel: index + 1, shipmentId: `shp_${index + 1}` })),
    reason: "TOO_MANY_PARCELS",
  },
])("$why: $reason", ({ parcels = [parcel()], lines = [mugs(1)], isHeld = false, reason }) => {
  expect(split(parcels, wishOf(lines), { ...about, isHeld })).toMatchObject({ kind: "refused", reason });
});

test("steps of several parcels number the events of their order one after the other", () => {
  const parcels = [parcel(), parcel({ parcel: 2, shipmentId: "shp_2" })];
  const left = parcels.map((each) => dispatch(each, now)).filter((each) => each !== undefined);
  const steps = stepsOf(parcels, left);
  expect(steps.map(({ sequence }) => sequence)).toEqual([3, 4]);
  expect(steps.map((step) => step.parcels.map(({ state }) => state))).toEqual([
    ["DISPATCHED", "CREATED"],
    ["DISPATCHED", "DISPATCHED"],
  ]);
  expect(withParcel(parcels, parcel({ parcel: 3 }))).toHaveLength(3);
});

test("all parcels are stopped, or none where one has left", () => {
  const parcels = [parcel(), parcel({ parcel: 2, shipmentId: "shp_2" })];
  const stopped = stopAll(parcels, { reason: "BUYER", now });
  expect(stopped).toMatchObject({ kind: "stopped", steps: [{ shipment: { parcel: 1 } }, { shipment: { parcel: 2 } }] });
  const gone = [parcel(), parcel({ parcel: 2, shipmentId: "shp_2", state: "DISPATCHED" })];
  expect(stopAll(gone, { reason: "BUYER", now })).toMatchObject({ kind: "too_late", shipment: { shipmentId: "shp_2" } });
  const before = parcels.map((each) => ({ ...each, state: "STOPPED" as const }));
  expect(stopAll(before, { reason: "BUYER", now })).toEqual({ kind: "stopped_before" });
});
