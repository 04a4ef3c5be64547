// What shipping promises its callers and the other services.
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OrderCancelledSchema, OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { ShipmentState, ShippingMethod } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { RefusedEvent } from "#runtime/events/hearing.ts";
import { newId } from "#runtime/ids.ts";
import { refusal } from "../../test/support/refusal.ts";
import { serviceFixture, type SentEvent, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { shipping } from "./main.ts";
import type { Tables } from "./store/shipments.ts";

let fixture: ServiceFixture<Tables>;
let now = new Date("2026-03-01T12:00:00Z");
const after = (ms: number): Date => new Date(now.getTime() + ms);

beforeAll(async () => {
  fixture = await serviceFixture(shipping, { clock: { now: () => now }, env: { ORDERMESH_CARRIER_DELIVER_MS: "7000" } });
});
afterAll(() => fixture.close());

const client = () => fixture.client(ShippingService);
const newOrders = (count: number): string[] => Array.from({ length: count }, () => newId("ord"));
const ready = (...orderIds: string[]): Promise<void> =>
  fixture.deliver(OrderReadySchema, ...orderIds.map((orderId) => ({ orderId, shippingMethod: "STANDARD" })));
const cancel = (...orderIds: string[]): Promise<void> =>
  fixture.deliver(OrderCancelledSchema, ...orderIds.map((orderId) => ({ orderId, reason: "EXPIRED" })));
const sentFor = async (orderId: string): Promise<SentEvent[]> => (await fixture.sent()).filter(({ key }) => key === orderId);
const kinds = (events: SentEvent[]): string[] => events.map(({ typeName }) => typeName.split(".").at(-1) ?? "");

async function madeParcel(): Promise<string> {
  const orderId = newId("ord");
  await ready(orderId);
  return orderId;
}

describe("a parcel", () => {
  const shippingAddress = { recipient: "Ada", lines: ["1 Main St"], city: "Paris", postalCode: "75001", countryCode: "FR" };

  test("is made with a label as the order asks, and told", async () => {
    const orderId = newId("ord");
    await fixture.deliver(OrderReadySchema, { orderId, shippingMethod: "EXPRESS", shippingAddress });
    const { shipment } = await client().getShipment({ orderId });
    expect(shipment).toMatchObject({
      orderId,
      state: ShipmentState.CREATED,
      method: ShippingMethod.EXPRESS,
      carrier: "sandbox",
      address: { ...shippingAddress, region: "" },
    });
    expect(shipment?.shipmentId).toMatch(/^shp_[0-9a-z]{26}$/);
    expect(shipment?.trackingNumber).toMatch(/^[0-9]{18}$/);
    const { shipmentId, carrier, trackingNumber } = shipment ?? {};
    expect(await sentFor(orderId)).toMatchObject([{ sequence: 1, message: { orderId, shipmentId, carrier, trackingNumber } }]);
  });

  test("leaves and arrives when the carrier said, one event each, and each event names what led to it", async () => {
    const orderId = await madeParcel();
    const start = now;
    await fixture.runDue(after(4_999));
    expect((await client().getShipment({ orderId })).shipment?.state).toBe(ShipmentState.CREATED);
    now = after(5_000);
    await fixture.runDue();
    expect((await client().getShipment({ orderId })).shipment?.state).toBe(ShipmentState.DISPATCHED);
    await fixture.runDue(after(6_999));
    expect((await client().getShipment({ orderId })).shipment?.state).toBe(ShipmentState.DISPATCHED);
    now = after(7_000);
    await fixture.runDue();
    const { shipment } = await client().getShipment({ orderId });
    const seconds = (date: Date): { seconds: bigint } => ({ seconds: BigInt(date.getTime() / 1_000) });
    expect(shipment).toMatchObject({
      state: ShipmentState.DELIVERED,
      createTime: seconds(start),
      dispatchTime: seconds(new Date(start.getTime() + 5_000)),
      deliverTime: seconds(now),
    });
    const sent = await sentFor(orderId);
    expect(kinds(sent)).toEqual(["ShipmentCreated", "ShipmentDispatched", "ShipmentDelivered"]);
    expect(sent.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(new Set(sent.map(({ causeId }) => causeId)).size).toBe(1);
    expect(sent).toMatchObject([
      {},
      { message: { dispatchTime: shipment?.dispatchTime } },
      { message: { deliverTime: shipment?.deliverTime } },
    ]);
  });

  test("is not made twice: a second OrderReady is refused for good, and in one batch nothing of the batch stays", async () => {
    const orderId = await madeParcel();
    await expect(ready(orderId)).rejects.toThrow(RefusedEvent);
    await expect(ready(orderId)).rejects.toMatchObject({ code: "DUPLICATE_SHIPMENT" });
    const [twice = "", once = ""] = newOrders(2);
    await expect(ready(once, twice, twice)).rejects.toMatchObject({ code: "DUPLICATE_SHIPMENT" });
    expect([await sentFor(orderId), await sentFor(twice), await sentFor(once)].map(kinds)).toEqual([["ShipmentCreated"], [], []]);
  });

  test("is not made for a method that nobody knows", async () => {
    const order = { orderId: newId("ord"), shippingMethod: "PIGEON" };
    await expect(fixture.deliver(OrderReadySchema, order)).rejects.toMatchObject({ code: "UNKNOWN_SHIPPING_METHOD" });
  });

  test("of one tenant is none of another's, though the order has the same id", async () => {
    const hearing = fixture.parts.hears?.find(({ name }) => name === "shipping.make_parcel");
    const orderId = newId("ord");
    const events = ["demo", "other"].map((tenant) => {
      const id = newId("evt");
      return {
        id,
        tenant,
        key: orderId,
        sequence: 1,
        time: now,
        cause: { id, traceparent: "" },
        message: create(OrderReadySchema, { orderId }),
      };
    });
    // A hearing hides its types, because the runtime holds those of all services in one list.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    await fixture.runtime.transaction(async (tx) => hearing?.handle(tx as never, events as never));
    await client().stopShipment({ orderId, reason: "BUYER" });
    const { rows } = await sql`select tenant_id as tenant, state from shipment where order_id = ${orderId} order by 1`.execute(
      fixture.runtime.db,
    );
    expect(rows).toEqual([
      { tenant: "demo", state: "STOPPED" },
      { tenant: "other", state: "CREATED" },
    ]);
  });
});

describe("stopping", () => {
  test("a parcel keeps it from leaving, a repeat is answered as the first, and GetShipment agrees", async () => {
    const orderId = await madeParcel();
    const first = await client().stopShipment({ orderId, reason: "BUYER" });
    expect(first.shipment).toMatchObject({ state: ShipmentState.STOPPED, carrier: "sandbox" });
    expect(await client().stopShipment({ orderId, reason: "another" })).toEqual(first);
    await fixture.runDue(after(60_000));
    expect((await client().getShipment({ orderId })).shipment).toEqual(first.shipment);
    const sent = await sentFor(orderId);
    expect(kinds(sent)).toEqual(["ShipmentCreated", "ShipmentStopped"]);
    expect(sent[1]?.message).toMatchObject({ shipmentId: first.shipment?.shipmentId, reason: "BUYER" });
  });

  test("what does not exist yet is told, and no parcel is made afterwards", async () => {
    const orderId = newId("ord");
    const first = await client().stopShipment({ orderId, reason: "BUYER" });
    expect(first.shipment).toMatchObject({
      orderId,
      state: ShipmentState.STOPPED,
      trackingNumber: "",
      method: ShippingMethod.UNSPECIFIED,
    });
    await ready(orderId);
    await ready(orderId);
    expect(await client().stopShipment({ orderId, reason: "BUYER" })).toEqual(first);
    expect(await sentFor(orderId)).toMatchObject([
      { sequence: 1, message: { shipmentId: first.shipment?.shipmentId, reason: "BUYER" } },
    ]);
  });

  test.each([
    { what: "on its way", waitMs: [5_000] },
    { what: "at the door", waitMs: [5_000, 7_000] },
  ])("a parcel that is $what is refused", async ({ waitMs }) => {
    const orderId = await madeParcel();
    for (const ms of waitMs) {
      now = after(ms);
      await fixture.runDue();
    }
    expect(await refusal(client().stopShipment({ orderId, reason: "BUYER" }))).toEqual({
      code: Code.FailedPrecondition,
      reason: "ALREADY_DISPATCHED",
    });
  });

  test("an id that no order can have is refused", async () => {
    const call = client().stopShipment({ orderId: "ord.*>", reason: "BUYER" });
    expect(await refusal(call)).toEqual({ code: Code.InvalidArgument, reason: "INVALID_ARGUMENT" });
  });

  test("against dispatch: each parcel has exactly one winner, and both sides know which", async () => {
    const orderIds = newOrders(40);
    await ready(...orderIds);
    now = after(5_000);
    const stops = orderIds.map((orderId) =>
      client()
        .stopShipment({ orderId, reason: "BUYER" })
        .then(
          () => "ShipmentStopped",
          (error: unknown) => reasonOf(error),
        ),
    );
    const dispatches = fixture.runDue();
    const answers = await Promise.all(stops);
    await dispatches;
    for (const [index, orderId] of orderIds.entries()) {
      const [made, ...then] = kinds(await sentFor(orderId));
      expect(made).toBe("ShipmentCreated");
      expect(then).toEqual(answers[index] === "ALREADY_DISPATCHED" ? ["ShipmentDispatched"] : ["ShipmentStopped"]);
      expect(["ALREADY_DISPATCHED", "ShipmentStopped"]).toContain(answers[index]);
    }
  });

  test("against a whole batch of dispatches, cancellations and each other: one winner, no deadlock", async () => {
    const orderIds = newOrders(40);
    await ready(...orderIds);
    const work = fixture.parts.dueWork?.find(({ kind }) => kind === "shipping.dispatch");
    const items = orderIds.toReversed().map((key) => ({
      item: {
        id: key,
        kind: "shipping.dispatch",
        tenant: "demo",
        key,
        dueTime: now,
        attempt: 1,
        cause: { id: key, traceparent: "" },
      },
      prepared: undefined,
    }));
    await Promise.all([
      cancel(...orderIds.filter((_, index) => index % 3 === 0)),
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      fixture.runtime.transaction(async (tx) => work?.apply(tx as never, items as never)),
      cancel(...orderIds.filter((_, index) => index % 3 === 1).toReversed()),
      ...orderIds.map((orderId) =>
        client()
          .stopShipment({ orderId, reason: "BUYER" })
          .catch((error: unknown) => {
            expect(reasonOf(error)).toBe("ALREADY_DISPATCHED");
          }),
      ),
    ]);
    for (const orderId of orderIds) {
      const [, ...then] = kinds(await sentFor(orderId));
      expect(then).toHaveLength(1);
    }
  });

  test("against the creation: a parcel that is made is stopped, and one that is stopped first is never made", async () => {
    const orderIds = newOrders(40);
    await Promise.all([ready(...orderIds), ...orderIds.map((orderId) => client().stopShipment({ orderId, reason: "BUYER" }))]);
    for (const orderId of orderIds) {
      const sent = kinds(await sentFor(orderId));
      expect([["ShipmentStopped"], ["ShipmentCreated", "ShipmentStopped"]]).toContainEqual(sent);
    }
  });

  test("20 stops at once send one event and give one answer", async () => {
    const orderId = newId("ord");
    const answers = await Promise.all(newOrders(20).map(() => client().stopShipment({ orderId, reason: "BUYER" })));
    expect(new Set(answers.map(({ shipment }) => shipment?.shipmentId)).size).toBe(1);
    expect(await sentFor(orderId)).toHaveLength(1);
  });
});

test("a cancelled order that was never ready has a stopped shipment without a parcel, and an unknown one has none", async () => {
  const [orderId = "", unknown = ""] = newOrders(2);
  await cancel(orderId, orderId);
  expect((await client().getShipment({ orderId })).shipment).toMatchObject({ state: ShipmentState.STOPPED, trackingNumber: "" });
  expect(await refusal(client().getShipment({ orderId: unknown }))).toEqual({
    code: Code.NotFound,
    reason: "SHIPMENT_NOT_FOUND",
  });
});
