// What is booked at a carrier that is called, and wanted no longer, is cancelled there once.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { OrderChangedSchema } from "#gen/ordermesh/orders/events/v1/order_changed_pb.ts";
import { OrderCancelledSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { ParcelsService } from "#gen/ordermesh/shipping/v1/parcels_service_pb.ts";
import { newId } from "#runtime/ids.ts";
import { until } from "../../test/support/until.ts";
import { calledFixture, home, lines, type CalledFixture } from "./called.fixture.ts";
import { CarrierUnavailable } from "./carrier/contract.ts";
import { markAsked } from "./store/bookings.ts";
import { shipmentHistory } from "./store/history.ts";

let called: CalledFixture;
beforeAll(async () => {
  called = await calledFixture();
});
afterAll(() => called.close());
afterEach(() => called.clear());

const change = (orderId: string, shippingAddress: typeof home) =>
  called.deliver(OrderChangedSchema, { orderId, changeId: newId("chg"), lines, shippingMethod: "EXPRESS", shippingAddress });

test("a parcel that is stopped, or whose order is cancelled, is cancelled at the carrier once, though answers are lost on the way", async () => {
  const [stopped, cancelled] = [await called.booked(), await called.booked()];
  await Promise.all([called.stop(stopped.orderId), called.stop(stopped.orderId)]);
  await called.deliver(OrderCancelledSchema, { orderId: cancelled.orderId, reason: "STOCK_LOST" });
  called.carrier.fault = "lose answers";
  await expect(called.runDue()).rejects.toThrow(CarrierUnavailable);
  called.carrier.fault = undefined;
  await called.runDue();
  await called.runDue();
  expect(called.standing()).toEqual([]);
  expect([...(await called.bookingsOf(stopped.orderId)), ...(await called.bookingsOf(cancelled.orderId))]).toEqual([
    "CANCELLED",
    "CANCELLED",
  ]);
  const cancels = [...called.carrier.parcels.values()].reduce((sum, parcel) => sum + parcel.cancels, 0);
  // One answer was lost.
  expect(cancels).toBe(3);
  expect((await called.told(stopped.orderId)).at(-1)).toBe("3 Stopped");
});

test("a parcel that was never asked for is asked for no more", async () => {
  const { orderId } = await called.made();
  await called.stop(orderId);
  await called.runDue();
  expect([called.carrier.requests, await called.bookingsOf(orderId)]).toEqual([[], ["CANCELLED"]]);
  // Nor by somebody who had looked before it was stopped.
  const which = { tenant: "demo", orderId, parcel: 1, version: 1 };
  expect(await called.runtime.transaction((tx) => markAsked(tx, which, new Date()))).toBe(false);
});

test("a booking whose answer never came is cancelled, too; that there is none is believed only when no call can be under way", async () => {
  const [lost, never] = [await called.made(), await called.made()];
  called.carrier.fault = "answer 503";
  await expect(called.runDue()).rejects.toThrow(CarrierUnavailable);
  called.carrier.fault = "lose answers";
  await expect(called.runDue(new Date())).rejects.toThrow(CarrierUnavailable);
  called.carrier.fault = undefined;
  for (const { orderId } of [lost, never]) await called.stop(orderId);
  await expect(called.runDue()).rejects.toThrow("still be on its way");
  called.advance(11 * 60_000);
  await called.runDue();
  expect(called.standing()).toEqual([]);
  expect([...(await called.bookingsOf(lost.orderId)), ...(await called.bookingsOf(never.orderId))]).toEqual([
    "CANCELLED",
    "CANCELLED",
  ]);
});

test.each(["stopped", "changed"] as const)(
  "what is %s while its carrier is being called gets no number from that call",
  async (how) => {
    const { orderId, shipmentId } = await called.made();
    called.carrier.delayMs = 300;
    const calling = called.runDue();
    await until(() => called.carrier.requests.length === 1);
    if (how === "stopped") await called.stop(orderId);
    else await change(orderId, { ...home, city: "Lyon" });
    await calling;
    called.carrier.delayMs = 0;
    await called.runDue();
    const { trackingNumber } = await called.shipmentOf(orderId);
    expect(called.standing()).toEqual(how === "stopped" ? [] : [trackingNumber]);
    expect(await called.told(orderId)).toEqual([
      "1 Created",
      how === "stopped" ? "2 Stopped" : `2 NumberChanged ${trackingNumber}`,
    ]);
    expect(called.carrier.parcels.get(`${shipmentId}.1`)).toMatchObject({ isCancelled: true, cancels: 1 });
  },
);

test("a parcel that was changed is booked anew, and one of which nothing was changed is not", async () => {
  const { orderId, trackingNumber } = await called.booked();
  await change(orderId, home);
  expect((await called.shipmentOf(orderId)).trackingNumber).toBe(trackingNumber);
  await change(orderId, { ...home, city: "Lyon" });
  expect((await called.shipmentOf(orderId)).trackingNumber).toBe("");
  await called.runDue();
  const { trackingNumber: other } = await called.shipmentOf(orderId);
  expect(called.standing()).toEqual([other]);
  expect(await called.told(orderId)).toEqual([
    "1 Created",
    `2 NumberChanged ${trackingNumber}`,
    "3 NumberChanged",
    `4 NumberChanged ${other}`,
  ]);
  expect(await called.bookingsOf(orderId)).toEqual(["CANCELLED", "BOOKED"]);
});

test("of a parcel that was split both parts are booked as they are now", async () => {
  const { orderId, shipmentId } = await called.booked();
  const tea = lines.slice(1);
  const parcels = called.client(ParcelsService);
  await parcels.splitShipment({ shipmentId, lines: tea, requestId: "split-1" });
  await called.runDue();
  const { shipments } = await parcels.listShipments({ orderId });
  expect(shipments.map((shipment) => shipment.trackingNumber)).toEqual(expect.arrayContaining(called.standing()));
  expect(called.standing()).toHaveLength(2);
  expect(await called.bookingsOf(orderId)).toEqual(["CANCELLED", "BOOKED", "BOOKED"]);
  expect((await called.told(orderId)).map((event) => event.split(" ").slice(0, 2).join(" "))).toEqual([
    "1 Created",
    "2 NumberChanged",
    "3 Created",
    "4 NumberChanged",
    "5 NumberChanged",
  ]);
});

test("a booking that the carrier does not cancel, as it has the parcel, is shown", async () => {
  const { orderId } = await called.booked();
  called.carrier.hasCollected = true;
  await called.stop(orderId);
  await called.runDue();
  expect(await called.bookingsOf(orderId)).toEqual(["NOT_CANCELLED"]);
  const { facts } = await shipmentHistory(called.runtime.db)({ tenant: "demo", orderId });
  expect(facts.map(({ text }) => text)).toContainEqual(expect.stringContaining("ALREADY_COLLECTED"));
});
