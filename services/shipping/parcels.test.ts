// Orders that leave in several parcels: each moves by itself, and together they tell of one order.
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrderCancelledSchema, OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { ParcelHoldsService } from "#gen/ordermesh/shipping/v1/parcel_holds_service_pb.ts";
import { ParcelsService } from "#gen/ordermesh/shipping/v1/parcels_service_pb.ts";
import { PicksService } from "#gen/ordermesh/shipping/v1/picks_service_pb.ts";
import { ShipmentState } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { ShippingAuditService } from "#gen/ordermesh/shipping/v1/shipping_audit_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { newId } from "#runtime/ids.ts";
import { refusal } from "../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { shipping } from "./main.ts";
import { shipmentHistory } from "./store/history.ts";
import type { Tables } from "./store/shipments.ts";

let fixture: ServiceFixture<Tables>;
let now = new Date("2026-03-01T12:00:00Z");
const pass = (ms: number): void => {
  now = new Date(now.getTime() + ms);
};

beforeAll(async () => {
  fixture = await serviceFixture(shipping, {
    clock: { now: () => now },
    env: { ORDERMESH_CARRIER_DISPATCH_MS: "5000", ORDERMESH_CARRIER_DELIVER_MS: "7000" },
  });
});
afterAll(() => fixture.close());

const lines = [
  { sku: "MUG", quantity: 2n },
  { sku: "TEA", quantity: 1n },
];
const tea = [{ sku: "TEA", quantity: 1n }];
const mugs = [{ sku: "MUG", quantity: 2n }];
const parcels = () => fixture.client(ParcelsService);
const shipmentsOf = async (orderId: string) => (await parcels().listShipments({ orderId })).shipments;
const statesOf = async (orderId: string) => (await shipmentsOf(orderId)).map(({ state }) => state);

async function made() {
  const orderId = newId("ord");
  await fixture.deliver(OrderReadySchema, { orderId, lines, customerId: "ada" });
  const [first] = await shipmentsOf(orderId);
  return { orderId, shipmentId: first?.shipmentId ?? "" };
}

/** The tea for itself. */
async function splitUp() {
  const about = await made();
  // A second later, so that the two are not due at once.
  pass(1_000);
  const { newShipment } = await parcels().splitShipment({ shipmentId: about.shipmentId, lines: tea, requestId: "split-1" });
  return { ...about, newId: newShipment?.shipmentId ?? "" };
}

const told = async (orderId: string) =>
  (await fixture.sent())
    .filter(({ key }) => key === orderId)
    .map(({ typeName, sequence, message }) => {
      const { shipmentId, parcels: standings } = message as unknown as { shipmentId: string; parcels: { state: string }[] };
      return [typeName.split(".").at(-1), sequence, shipmentId, standings.map(({ state }) => state).join()];
    });

test("two parcels have numbers of their own, leave and arrive by themselves, and each event says where both are", async () => {
  const { orderId, shipmentId, newId: second } = await splitUp();
  const [one, other] = await shipmentsOf(orderId);
  expect([one?.lines, other?.lines]).toMatchObject([mugs, tea]);
  expect(other).toMatchObject({ shipmentId: second, splitFromShipmentId: shipmentId });
  expect(new Set([one?.trackingNumber, other?.trackingNumber]).size).toBe(2);
  pass(4_000);
  await fixture.runDue();
  expect(await statesOf(orderId)).toEqual([ShipmentState.DISPATCHED, ShipmentState.CREATED]);
  pass(1_000);
  await fixture.runDue();
  pass(6_000);
  await fixture.runDue();
  expect(await statesOf(orderId)).toEqual([ShipmentState.DELIVERED, ShipmentState.DISPATCHED]);
  pass(1_000);
  await fixture.runDue();
  expect(await told(orderId)).toEqual([
    ["ShipmentCreated", 1, shipmentId, ""],
    ["ShipmentCreated", 2, second, "CREATED,CREATED"],
    ["ShipmentDispatched", 3, shipmentId, "DISPATCHED,CREATED"],
    ["ShipmentDispatched", 4, second, "DISPATCHED,DISPATCHED"],
    ["ShipmentDelivered", 5, shipmentId, "DELIVERED,DISPATCHED"],
    ["ShipmentDelivered", 6, second, "DELIVERED,DELIVERED"],
  ]);
  const track = async (which: string) =>
    (await fixture.client(ShippingService).getTracking({ orderId, shipmentId: which })).tracking;
  expect(await track("")).toMatchObject({ shipmentId, events: [{ event: "picked_up" }, { event: "delivered" }] });
  expect(await track(second)).toMatchObject({
    shipmentId: second,
    parcels: [{ shipmentId }, { shipmentId: second, lines: tea }],
  });
  const { label } = await fixture.client(ShippingService).getShipmentLabel({ orderId, shipmentId: second });
  expect(label?.contentType).toBe("application/pdf");
  const { facts } = await shipmentHistory(fixture.runtime.db)({ tenant: "demo", orderId });
  const words = facts.map(({ text }) => text);
  expect(words).toContainEqual(expect.stringContaining(`with 1 of TEA out of ${shipmentId}`));
  expect(words).toContain(`the parcel has arrived (${second})`);
});

test("ten who ask for the same split at once get the same parcel, and other wishes at that moment fit or are refused", async () => {
  const { orderId, shipmentId } = await made();
  const wish = { shipmentId, lines: tea, requestId: "split-1" };
  const answers = await Promise.all(Array.from({ length: 10 }, () => parcels().splitShipment(wish)));
  expect(new Set(answers.map(({ newShipment }) => newShipment?.shipmentId)).size).toBe(1);
  expect(await shipmentsOf(orderId)).toHaveLength(2);
  const one = [{ sku: "MUG", quantity: 1n }];
  const race = await Promise.allSettled(
    Array.from({ length: 5 }, (_, index) => parcels().splitShipment({ shipmentId, lines: one, requestId: `race-${index}` })),
  );
  expect(race.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect((await shipmentsOf(orderId)).map((each) => each.lines.map(({ sku, quantity }) => `${quantity} ${sku}`).join())).toEqual([
    "1 MUG",
    "1 TEA",
    "1 MUG",
  ]);
  expect(await refusal(parcels().splitShipment({ ...wish, lines: one }))).toMatchObject({ reason: "REQUEST_ID_REUSED" });
});

test("what cannot be split is refused by name, and nothing changes", async () => {
  const { orderId, shipmentId } = await made();
  const refused = async (change: object) =>
    (await refusal(parcels().splitShipment({ shipmentId, lines: tea, requestId: "no", ...change }))).reason;
  expect(await refused({ shipmentId: "shp_none" })).toBe("SHIPMENT_NOT_FOUND");
  expect(await refused({ lines: [{ sku: "TEA", quantity: 2n }] })).toBe("SPLIT_UNITS_EXCEEDED");
  expect(await refused({ lines })).toBe("SPLIT_LEAVES_NOTHING");
  expect(await refused({ lines: [...tea, ...tea] })).toBe("INVALID_ARGUMENT");
  await fixture.client(ParcelHoldsService).holdParcel({ orderId, changeId: "chg_1" });
  expect(await refused({})).toBe("SHIPMENT_ON_HOLD");
  const split = await splitUp();
  const hold = fixture.client(ParcelHoldsService).holdParcel({ orderId: split.orderId, changeId: "chg_2" });
  expect((await refusal(hold)).reason).toBe("SHIPMENT_SPLIT");
  expect(await shipmentsOf(orderId)).toHaveLength(1);
});

test("each parcel is claimed and packed by itself; one that is packed is split no more", async () => {
  await sql`update shipment set pack_time = now(), pick_worker = 'before', pick_until = now() where pack_time is null`.execute(
    fixture.runtime.db,
  );
  const about = await made();
  const picks = fixture.client(PicksService);
  await picks.claimPicks({ worker: "w1", count: 20 });
  const { newShipment } = await parcels().splitShipment({ shipmentId: about.shipmentId, lines: tea, requestId: "split-1" });
  const { orderId } = about;
  const second = newShipment?.shipmentId ?? "";
  // Whoever had claimed it has to look again.
  const pack = (shipmentId: string) => picks.packPick({ orderId, shipmentId, worker: "w1" });
  expect((await refusal(pack(about.shipmentId))).reason).toBe("PICK_NOT_CLAIMED");
  const claimed = (await picks.claimPicks({ worker: "w1", count: 20 })).picks.map(({ shipmentId }) => shipmentId);
  expect(claimed.toSorted()).toEqual([about.shipmentId, second].toSorted());
  expect((await refusal(pack(""))).reason).toBe("SHIPMENT_NOT_NAMED");
  await pack(second);
  expect((await picks.listPicks({})).picks.map(({ shipmentId }) => shipmentId)).toEqual([about.shipmentId]);
  const again = parcels().splitShipment({ shipmentId: second, lines: tea, requestId: "split-2" });
  expect((await refusal(again)).reason).toBe("SHIPMENT_PACKED");
});

test("both are stopped together; where one has left nothing is stopped by hand, and a cancelled order keeps the other here", async () => {
  const stopped = await splitUp();
  const stop = (orderId: string) => fixture.client(ShippingService).stopShipment({ orderId, reason: "BUYER" });
  await Promise.all([stop(stopped.orderId), stop(stopped.orderId)]);
  expect(await statesOf(stopped.orderId)).toEqual([ShipmentState.STOPPED, ShipmentState.STOPPED]);
  expect((await told(stopped.orderId)).slice(2).map(([, sequence, , states]) => [sequence, states])).toEqual([
    [3, "STOPPED,CREATED"],
    [4, "STOPPED,STOPPED"],
  ]);
  const gone = await splitUp();
  pass(4_000);
  await fixture.runDue();
  expect((await refusal(stop(gone.orderId))).reason).toBe("ALREADY_DISPATCHED");
  await fixture.deliver(OrderCancelledSchema, { orderId: gone.orderId, reason: "PAYMENT_LOST" });
  expect(await statesOf(gone.orderId)).toEqual([ShipmentState.DISPATCHED, ShipmentState.STOPPED]);
});

test("an audit finds the parcel whose step is lost, and bringing it on plans that one alone", async () => {
  const { orderId, newId: second } = await splitUp();
  await sql`delete from due_work where key = ${second}`.execute(fixture.runtime.db);
  const audit = fixture.client(ShippingAuditService);
  const findings = async () =>
    (await audit.auditShipments({ pageSize: 5000 })).discrepancies.filter(({ key }) => key === orderId);
  expect(await findings()).toMatchObject([{ figures: { shipment_id: second, needed: "dispatch" } }]);
  await audit.resumeShipment({ orderId, reason: "its plan was lost" });
  expect(await findings()).toEqual([]);
  const { rows } = await sql`select parcel from resumption where order_id = ${orderId}`.execute(fixture.runtime.db);
  expect(rows).toEqual([{ parcel: 2 }]);
  const { shipments } = await audit.auditOrderShipments({ orderIds: [orderId] });
  expect(shipments).toMatchObject([{ orderId, parcels: [{ units: 2n }, { shipmentId: second, units: 1n }] }]);
});
