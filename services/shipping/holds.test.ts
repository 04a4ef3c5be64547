// Parcels of orders that are being changed: they wait, and leave with what the order has become.
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrderChangedSchema, OrderChangeRefusedSchema } from "#gen/ordermesh/orders/events/v1/order_changed_pb.ts";
import { OrderCancelledSchema, OrderErasedSchema, OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { ParcelHoldsService } from "#gen/ordermesh/shipping/v1/parcel_holds_service_pb.ts";
import { PicksService } from "#gen/ordermesh/shipping/v1/picks_service_pb.ts";
import { ShipmentState, ShippingMethod } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { newId } from "#runtime/ids.ts";
import { refusal } from "../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { shipping } from "./main.ts";
import type { Tables } from "./store/shipments.ts";

let fixture: ServiceFixture<Tables>;
beforeAll(async () => {
  fixture = await serviceFixture(shipping, { env: { ORDERMESH_CARRIER_DISPATCH_MS: "0" } });
});
afterAll(() => fixture.close());

const holds = () => fixture.client(ParcelHoldsService);
const shipmentOf = async (orderId: string) => (await fixture.client(ShippingService).getShipment({ orderId })).shipment;
const stateOf = async (orderId: string) => (await shipmentOf(orderId))?.state;
/** To where a parcel that was held is looked at again. */
const moveOn = () => fixture.runDue(new Date(Date.now() + 1_200));
const queued = async () => (await fixture.client(PicksService).listPicks({})).picks.map(({ orderId }) => orderId);

const lines = [{ sku: "MUG", quantity: 2n }];
const address = { recipient: "Ada", lines: ["1 Main St"], city: "Paris", postalCode: "75001", countryCode: "FR" };
const ready = (orderId: string) => fixture.deliver(OrderReadySchema, { orderId, lines, shippingAddress: address });

test("a held parcel neither leaves nor is packed; the change ends that, with other contents for whoever packs it", async () => {
  const about = { orderId: newId("ord"), changeId: newId("chg") };
  const { orderId } = about;
  await ready(orderId);
  const picker = fixture.client(PicksService);
  await picker.claimPicks({ worker: "w1", count: 20 });
  await picker.packPick({ orderId, worker: "w1" });
  await Promise.all([holds().holdParcel(about), holds().holdParcel(about)]);
  await moveOn();
  expect(await stateOf(orderId)).toBe(ShipmentState.CREATED);
  const elsewhere = { ...address, lines: ["2 Other St"] };
  const changed = { ...about, lines: [{ sku: "TEA", quantity: 1n }], shippingMethod: "EXPRESS", shippingAddress: elsewhere };
  await fixture.deliver(OrderChangedSchema, changed);
  expect((await shipmentOf(orderId))?.method).toBe(ShippingMethod.EXPRESS);
  const kept = await fixture.runtime.db.selectFrom("shipment").select("address").where("order_id", "=", orderId).execute();
  expect(kept).toMatchObject([{ address: elsewhere }]);
  const { picks } = await picker.listPicks({});
  expect(picks.find((pick) => pick.orderId === orderId)).toMatchObject({ lines: changed.lines, worker: "" });
  await moveOn();
  expect(await stateOf(orderId)).toBe(ShipmentState.DISPATCHED);
});

test("a parcel that is made while it is held waits too, is for no worker, and leaves as it was where the change is refused", async () => {
  const about = { orderId: newId("ord"), changeId: newId("chg") };
  const { orderId } = about;
  await holds().holdParcel(about);
  await ready(orderId);
  expect(await queued()).not.toContain(orderId);
  await moveOn();
  expect(await stateOf(orderId)).toBe(ShipmentState.CREATED);
  await fixture.deliver(OrderChangeRefusedSchema, { ...about, lines });
  expect(await queued()).toContain(orderId);
  await moveOn();
  expect(await stateOf(orderId)).toBe(ShipmentState.DISPATCHED);
});

test("a worker who has claimed a parcel cannot pack it while it is held", async () => {
  const about = { orderId: newId("ord"), changeId: newId("chg") };
  await ready(about.orderId);
  await fixture.client(PicksService).claimPicks({ worker: "w2", count: 20 });
  await holds().holdParcel(about);
  const pack = fixture.client(PicksService).packPick({ orderId: about.orderId, worker: "w2" });
  expect(await refusal(pack)).toEqual({ code: Code.FailedPrecondition, reason: "SHIPMENT_ON_HOLD" });
});

test("what has left, is stopped, or belongs to a change that is over is not held", async () => {
  const [left, stopped, over] = [newId("ord"), newId("ord"), newId("ord")];
  const hold = (orderId: string) => refusal(holds().holdParcel({ orderId, changeId: "chg_1" }));
  await ready(left);
  await moveOn();
  expect(await hold(left)).toEqual({ code: Code.FailedPrecondition, reason: "ALREADY_DISPATCHED" });
  await fixture.client(ShippingService).stopShipment({ orderId: stopped, reason: "test" });
  expect(await hold(stopped)).toEqual({ code: Code.FailedPrecondition, reason: "SHIPMENT_STOPPED" });
  await fixture.deliver(OrderChangeRefusedSchema, { orderId: over, changeId: "chg_1", lines });
  expect(await hold(over)).toEqual({ code: Code.FailedPrecondition, reason: "HOLD_ENDED" });
  await ready(over);
  await moveOn();
  expect(await stateOf(over)).toBe(ShipmentState.DISPATCHED);
});

test.each([
  { when: "is cancelled", stop: (orderId: string) => fixture.deliver(OrderCancelledSchema, { orderId, reason: "TEST" }) },
  {
    when: "has its parcel stopped",
    stop: (orderId: string) => fixture.client(ShippingService).stopShipment({ orderId, reason: "test" }),
  },
])("where an order $when in the middle of its change, nothing looks at its parcel any more", async ({ stop }) => {
  const about = { orderId: newId("ord"), changeId: newId("chg") };
  await ready(about.orderId);
  await holds().holdParcel(about);
  await moveOn();
  await stop(about.orderId);
  await moveOn();
  expect(await stateOf(about.orderId)).toBe(ShipmentState.STOPPED);
  const planned = await fixture.runtime.db
    .selectFrom("due_work" as never)
    .selectAll()
    .execute();
  expect(planned).not.toContainEqual(expect.objectContaining({ key: about.orderId }));
});

test("a cancelled order is not being changed", async () => {
  const about = { orderId: newId("ord"), changeId: newId("chg") };
  await ready(about.orderId);
  await holds().holdParcel(about);
  for (let times = 0; times < 2; times += 1)
    await fixture.deliver(OrderCancelledSchema, { orderId: about.orderId, reason: "TEST" });
  const kept = await fixture.runtime.db
    .selectFrom("parcel_hold")
    .select("end_time")
    .where("order_id", "=", about.orderId)
    .execute();
  expect(kept).toEqual([{ end_time: expect.any(Date) as Date }]);
  expect(await refusal(holds().holdParcel(about))).toEqual({ code: Code.FailedPrecondition, reason: "HOLD_ENDED" });
});

test("a parcel that left all the same is for a person; the erasure of its order takes the holds", async () => {
  const orderId = newId("ord");
  await ready(orderId);
  await moveOn();
  const changed = fixture.deliver(OrderChangedSchema, { orderId, changeId: "chg_1", lines });
  await expect(changed).rejects.toMatchObject({ code: "CHANGED_AFTER_DISPATCH" });
  await fixture.deliver(OrderErasedSchema, { orderId });
  expect(await fixture.runtime.db.selectFrom("parcel_hold").selectAll().where("order_id", "=", orderId).execute()).toEqual([]);
});
