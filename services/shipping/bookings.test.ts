// Parcels of a carrier that is called: one booking each whatever happens on the way, and none is packed or leaves before.
import { create } from "@bufbuild/protobuf";
import { sql } from "kysely";
import { Webhook } from "standardwebhooks";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { OrderChangedSchema } from "#gen/ordermesh/orders/events/v1/order_changed_pb.ts";
import { OrderErasedSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { BookingsService } from "#gen/ordermesh/shipping/v1/bookings_service_pb.ts";
import { ParcelHoldsService } from "#gen/ordermesh/shipping/v1/parcel_holds_service_pb.ts";
import { PicksService } from "#gen/ordermesh/shipping/v1/picks_service_pb.ts";
import { ShipmentState } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { ShippingAuditService } from "#gen/ordermesh/shipping/v1/shipping_audit_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { ReceiveCarrierMessageRequestSchema, ShippingWebhookService } from "#gen/ordermesh/shipping/v1/shipping_webhook_pb.ts";
import { newId } from "#runtime/ids.ts";
import { runInContext } from "#runtime/request-context.ts";
import { postalCodeRefused, testLabel, type CarrierFault } from "../../test/support/carrier.ts";
import { refusal } from "../../test/support/refusal.ts";
import { calledFixture, home, lines, secret, type CalledFixture } from "./called.fixture.ts";
import { CarrierUnavailable } from "./carrier/contract.ts";
import { shipmentHistory } from "./store/history.ts";

let called: CalledFixture;
beforeAll(async () => {
  called = await calledFixture();
});
afterAll(() => called.close());
afterEach(() => called.clear());

const bookings = () => called.client(BookingsService);
const audit = async () => (await called.client(ShippingAuditService).auditShipments({ pageSize: 5_000 })).discrepancies;

test("a parcel is made at once, waits for its number, and only then is packed and leaves when the carrier says so", async () => {
  const { orderId, shipmentId } = await called.made();
  expect(await called.shipmentOf(orderId)).toMatchObject({
    state: ShipmentState.CREATED,
    carrier: "parcelpost",
    trackingNumber: "",
  });
  const picks = called.client(PicksService);
  const queued = async () => (await picks.listPicks({})).picks.map((pick) => pick.orderId);
  expect(await queued()).not.toContain(orderId);
  expect((await bookings().listUnbookedShipments({})).shipments.map((shipment) => shipment.orderId)).toContain(orderId);
  const unbooked = { reason: "SHIPMENT_NOT_BOOKED" };
  expect(await refusal(picks.packPick({ orderId, worker: "w" }))).toMatchObject(unbooked);
  expect(await refusal(called.client(ShippingService).getShipmentLabel({ orderId }))).toMatchObject(unbooked);
  expect(await audit()).toEqual([]);
  await called.runDue();
  const { trackingNumber } = await called.shipmentOf(orderId);
  expect(called.standing()).toEqual([trackingNumber]);
  expect(called.carrier.parcels.get(`${shipmentId}.1`)?.asked).toMatchObject({
    shipmentId,
    orderId,
    method: "EXPRESS",
    from: ["demo", "DE"],
  });
  expect(await queued()).toContain(orderId);
  expect((await bookings().listUnbookedShipments({})).shipments).toEqual([]);
  await called.runDue();
  expect(called.carrier.requests).toEqual(["POST /parcels"]);
  const text = JSON.stringify({ type: "picked_up", trackingNumber, time: new Date().toISOString() });
  const body = { contentType: "application/json", data: new TextEncoder().encode(text) };
  const message = create(ReceiveCarrierMessageRequestSchema, { carrier: "parcelpost", tenant: "demo", body });
  const signature = new Webhook(secret).sign("msg_1", new Date(), text);
  const signed = { "webhook-timestamp": String(Math.floor(Date.now() / 1_000)), "webhook-signature": signature };
  await called.client(ShippingWebhookService).receiveCarrierMessage(message, { headers: { "webhook-id": "msg_1", ...signed } });
  expect(await called.told(orderId)).toEqual(["1 Created", `2 NumberChanged ${trackingNumber}`, "3 Dispatched"]);
});

test.each<{ fault: CarrierFault; asked: number }>([
  { fault: "lose answers", asked: 1 },
  { fault: "answer 500 afterwards", asked: 1 },
  { fault: "say nothing", asked: 1 },
  { fault: "lose requests", asked: 2 },
])("$fault: the next attempt looks first, and the parcel is booked once", async ({ fault, asked }) => {
  const { orderId } = await called.made();
  called.carrier.fault = fault;
  await expect(called.runDue()).rejects.toThrow(CarrierUnavailable);
  const { waits } = await shipmentHistory(called.runtime.db)({ tenant: "demo", orderId });
  expect(waits[0]?.text).toMatch(/^parcelpost to give the parcel a number, which it has not \(.+\)$/);
  called.carrier.fault = undefined;
  await called.runDue();
  expect(called.standing()).toEqual([(await called.shipmentOf(orderId)).trackingNumber]);
  expect(called.carrier.requests.filter((request) => request === "POST /parcels")).toHaveLength(asked);
  expect(called.carrier.requests.at(asked === 1 ? -1 : -2)).toMatch(/^GET /);
});

test("who dies with the carrier's yes in hand is replaced by one who finds it", async () => {
  const { orderId } = await called.made();
  const work = called.parts.dueWork?.find(({ kind }) => kind === "shipping.book");
  const { rows } = await sql<{ id: string; tenant: string; key: string }>`
    select id, tenant_id as tenant, key from due_work where kind = 'shipping.book'`.execute(called.runtime.db);
  const [row] = rows;
  if (!work?.prepare || !row) throw new Error("nothing is planned");
  const item = { ...row, kind: work.kind, dueTime: new Date(), attempt: 1, cause: { id: "evt", traceparent: "" } };
  const prepare = () => runInContext({ requestId: "evt", traceparent: "", tenant: "demo" }, async () => work.prepare?.(item));
  const first = await prepare();
  expect(await prepare()).toMatchObject({ answer: (first as { answer: object }).answer });
  expect(called.standing()).toHaveLength(1);
  expect((await called.shipmentOf(orderId)).trackingNumber).toBe("");
  await called.runDue();
  expect([(await called.shipmentOf(orderId)).trackingNumber]).toEqual(called.standing());
  expect(await called.told(orderId)).toHaveLength(2);
});

describe("a refusal", () => {
  const nowhere = { ...home, postalCode: postalCodeRefused };

  test("is shown with its reason, asks no more by itself, and ends where a person has another carrier take the parcel", async () => {
    const { orderId, shipmentId } = await called.made(nowhere);
    await called.runDue();
    await called.runDue();
    expect(called.carrier.requests).toEqual(["POST /parcels"]);
    expect(await called.shipmentOf(orderId)).toMatchObject({
      state: ShipmentState.CREATED,
      trackingNumber: "",
      bookingRefusal: "ADDRESS_NOT_SERVED",
      bookingMessage: `nothing goes to ${postalCodeRefused}`,
    });
    const { waits, facts } = await shipmentHistory(called.runtime.db)({ tenant: "demo", orderId });
    expect(waits).toMatchObject([
      { text: expect.stringContaining("ADDRESS_NOT_SERVED"), nextStep: expect.stringContaining(":book") },
    ]);
    expect(facts.map(({ name }) => name)).toEqual(["CREATED", "BOOKING_REQUESTED", "BOOKING_REFUSED"]);
    expect(await audit()).toEqual([]);
    expect(await refusal(bookings().bookShipment({ shipmentId, carrier: "pigeon" }))).toMatchObject({
      reason: "CARRIER_UNKNOWN",
    });
    const { shipment } = await bookings().bookShipment({ shipmentId, carrier: "sandbox" });
    expect(shipment).toMatchObject({ carrier: "sandbox", bookingRefusal: "", trackingNumber: expect.stringMatching(/^\d{18}$/) });
    // The clock moves it from here on.
    await called.runDue(new Date(Date.now() + 60_000));
    expect(await called.told(orderId)).toEqual([
      "1 Created",
      `2 NumberChanged ${shipment?.trackingNumber}`,
      "3 Dispatched",
      "4 Delivered",
    ]);
    expect(await refusal(bookings().bookShipment({ shipmentId }))).toMatchObject({ reason: "ALREADY_DISPATCHED" });
  });

  test("is asked about once more where a person wants it, under another key, and a repeat of that changes nothing", async () => {
    const { orderId, shipmentId } = await called.made(nowhere);
    await called.runDue();
    const again = () => bookings().bookShipment({ shipmentId });
    await Promise.all([again(), again(), again()]);
    expect((await called.shipmentOf(orderId)).bookingRefusal).toBe("");
    await called.runDue();
    expect(called.carrier.requests).toEqual(["POST /parcels", "POST /parcels"]);
    expect(await called.bookingsOf(orderId)).toEqual(["REFUSED", "REFUSED"]);
  });

  test("ends with another address, which is booked anew", async () => {
    const { orderId } = await called.made(nowhere);
    await called.runDue();
    await called.deliver(OrderChangedSchema, {
      orderId,
      changeId: newId("chg"),
      lines,
      shippingMethod: "EXPRESS",
      shippingAddress: home,
    });
    expect((await called.shipmentOf(orderId)).bookingRefusal).toBe("");
    await called.runDue();
    expect([(await called.shipmentOf(orderId)).trackingNumber]).toEqual(called.standing());
    // Nothing was booked for the first address, so nothing is cancelled.
    expect(called.carrier.requests).toEqual(["POST /parcels", "POST /parcels"]);
  });

  test("what cannot be booked otherwise is refused by name", async () => {
    const refused = async (shipmentId: string) =>
      (await refusal(bookings().bookShipment({ shipmentId, carrier: "sandbox" }))).reason;
    expect(await refused("shp_none")).toBe("SHIPMENT_NOT_FOUND");
    const { orderId, shipmentId } = await called.booked();
    await called.client(ParcelHoldsService).holdParcel({ orderId, changeId: "chg_1" });
    expect(await refused(shipmentId)).toBe("SHIPMENT_ON_HOLD");
    await called.stop(orderId);
    expect(await refused(shipmentId)).toBe("SHIPMENT_STOPPED");
    const packed = await called.booked();
    const picks = called.client(PicksService);
    await picks.claimPicks({ worker: "w", count: 20 });
    await picks.packPick({ orderId: packed.orderId, worker: "w" });
    expect(await refused(packed.shipmentId)).toBe("SHIPMENT_PACKED");
  });
});

test("the carrier's label comes before ours, which is drawn where there is none; an erasure leaves no label", async () => {
  const labelOf = async (orderId: string) => (await called.client(ShippingService).getShipmentLabel({ orderId })).label?.data;
  const ours = await called.booked();
  expect(
    Buffer.from((await labelOf(ours.orderId)) ?? [])
      .subarray(0, 5)
      .toString(),
  ).toBe("%PDF-");
  called.carrier.label = testLabel;
  const theirs = await called.booked();
  expect(Buffer.from((await labelOf(theirs.orderId)) ?? []).toString("base64")).toBe(testLabel);
  await called.deliver(OrderErasedSchema, { orderId: theirs.orderId, customerId: "ada" });
  const { rows } = await sql`select label from booking where order_id = ${theirs.orderId}`.execute(called.runtime.db);
  expect(rows).toEqual([{ label: null }]);
});

test("an audit finds the parcel that nobody asks for a number any more, and it is brought on", async () => {
  const { orderId, shipmentId } = await called.made();
  await sql`delete from due_work`.execute(called.runtime.db);
  const found = (await audit()).filter(({ key }) => key === orderId);
  expect(found).toMatchObject([{ figures: { shipment_id: shipmentId, needed: "book" } }]);
  await called.client(ShippingAuditService).resumeShipment({ orderId, reason: "its plan was lost" });
  await called.runDue();
  expect([(await called.shipmentOf(orderId)).trackingNumber]).toEqual(called.standing());
});

test("the database lets no parcel leave or be packed without a number", async () => {
  const { orderId } = await called.made();
  const changes = [
    sql`update shipment set state = 'DISPATCHED', dispatch_time = now(), event_count = 2`,
    sql`update shipment set pack_time = now(), pick_worker = 'w', pick_until = now()`,
    sql`update shipment set booking_version = 0`,
    sql`update booking set state = 'BOOKED'`,
  ];
  for (const change of changes) {
    await expect(sql`${change} where order_id = ${orderId}`.execute(called.runtime.db)).rejects.toThrow(/check constraint/);
  }
});
