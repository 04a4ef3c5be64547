// Every parcel that has not arrived waits for a planned step; one that waits for nothing is found and brought on.
import { Code } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrderCancelledSchema, OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { ShipmentState } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { ShippingAuditService, type AuditShipmentsResponse } from "#gen/ordermesh/shipping/v1/shipping_audit_pb.ts";
import { newId } from "#runtime/ids.ts";
import { refusal } from "../../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../../test/support/service-fixture.ts";
import { shipping } from "../main.ts";
import type { Tables } from "../store/shipments.ts";

let fixture: ServiceFixture<Tables>;
let now = new Date("2026-03-01T12:00:00Z");
const pass = (ms: number): void => {
  now = new Date(now.getTime() + ms);
};
const dispatchMs = 5_000;
const deliverMs = 7_000;

beforeAll(async () => {
  fixture = await serviceFixture(shipping, {
    clock: { now: () => now },
    env: { ORDERMESH_CARRIER_DISPATCH_MS: String(dispatchMs), ORDERMESH_CARRIER_DELIVER_MS: String(deliverMs) },
  });
});
afterAll(() => fixture.close());

const client = () => fixture.client(ShippingAuditService);
const newOrders = (count: number): string[] => Array.from({ length: count }, () => newId("ord"));
const ready = (orderIds: readonly string[]): Promise<void> =>
  fixture.deliver(OrderReadySchema, ...orderIds.map((orderId) => ({ orderId, shippingMethod: "STANDARD" })));
const stop = (orderIds: readonly string[]): Promise<void> =>
  fixture.deliver(OrderCancelledSchema, ...orderIds.map((orderId) => ({ orderId, reason: "EXPIRED" })));
const forget = (orderId: string): Promise<unknown> =>
  sql`delete from due_work where key = ${orderId}`.execute(fixture.runtime.db);
const seconds = (time: Date) => ({ seconds: BigInt(Math.floor(time.getTime() / 1_000)) });

async function audit(pageSize = 0): Promise<Pick<AuditShipmentsResponse, "rowsChecked" | "discrepancies"> & { pages: number }> {
  const whole = { rowsChecked: 0n, discrepancies: [] as AuditShipmentsResponse["discrepancies"], pages: 0 };
  let pageToken = "";
  do {
    const page = await client().auditShipments({ pageSize, pageToken });
    whole.rowsChecked += page.rowsChecked;
    whole.discrepancies.push(...page.discrepancies);
    whole.pages += 1;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return whole;
}

/** One parcel in each state. */
async function inEveryState() {
  const [made = "", dispatched = "", delivered = "", stopped = "", neverMade = ""] = newOrders(5);
  await ready([delivered]);
  pass(dispatchMs);
  await fixture.runDue();
  pass(deliverMs);
  await fixture.runDue();
  await ready([dispatched]);
  pass(dispatchMs);
  await fixture.runDue();
  await ready([made, stopped]);
  await stop([stopped, neverMade]);
  return { made, dispatched, delivered, stopped, neverMade };
}

test("parcels in every state that wait for their step show nothing", async () => {
  await inEveryState();
  expect(await audit()).toMatchObject({ rowsChecked: 2n, discrepancies: [] });
});

test.each([
  { state: "CREATED", pick: "made", needed: "dispatch" },
  { state: "DISPATCHED", pick: "dispatched", needed: "deliver" },
] as const)("a $state parcel for which nothing is planned is found, brought on once, and arrives", async (row) => {
  const orderId = (await inEveryState())[row.pick];
  await forget(orderId);
  const { discrepancies } = await audit();
  expect(discrepancies).toMatchObject([
    { check: "shipments.next_step", key: orderId, figures: { state: row.state, needed: row.needed } },
  ]);
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => client().resumeShipment({ orderId, reason: "its plan was lost" })),
  );
  for (const { shipment } of answers) expect(shipment).toMatchObject({ orderId, nextStepTime: seconds(now) });
  expect((await audit()).discrepancies).toEqual([]);
  const { rows } = await sql`select step, reason from resumption where order_id = ${orderId}`.execute(fixture.runtime.db);
  expect(rows).toEqual([{ step: `shipping.${row.needed}`, reason: "its plan was lost" }]);
  await fixture.runDue();
  pass(deliverMs);
  await fixture.runDue();
  const sent = (await fixture.sent()).filter(({ key }) => key === orderId);
  expect(sent.map(({ typeName }) => typeName.split(".").at(-1))).toEqual([
    "ShipmentCreated",
    "ShipmentDispatched",
    "ShipmentDelivered",
  ]);
});

test("the plan of another step does not count as the next one", async () => {
  const { dispatched } = await inEveryState();
  await sql`update due_work set kind = 'shipping.dispatch' where key = ${dispatched}`.execute(fixture.runtime.db);
  expect((await audit()).discrepancies.map(({ key }) => key)).toEqual([dispatched]);
  await client().resumeShipment({ orderId: dispatched, reason: "wrong plan" });
  expect((await audit()).discrepancies).toEqual([]);
});

test("a parcel that has its step planned keeps it, and one that has arrived or was stopped gets none", async () => {
  const { made, delivered, stopped, neverMade } = await inEveryState();
  const planned = new Date(now.getTime() + dispatchMs);
  const { shipment } = await client().resumeShipment({ orderId: made, reason: "hurry" });
  expect(shipment).toMatchObject({ state: ShipmentState.CREATED, nextStepTime: seconds(planned) });
  await forget(stopped);
  for (const orderId of [delivered, stopped, neverMade]) {
    expect((await client().resumeShipment({ orderId, reason: "hurry" })).shipment?.nextStepTime).toBeUndefined();
  }
  const { rows } = await sql`
    select from due_work where key = any(${[delivered, stopped, neverMade]}::text[])`.execute(fixture.runtime.db);
  expect(rows).toEqual([]);
  const call = client().resumeShipment({ orderId: newId("ord"), reason: "hurry" });
  expect(await refusal(call)).toEqual({ code: Code.NotFound, reason: "SHIPMENT_NOT_FOUND" });
});

test("says where the parcels of orders stand, and leaves out orders without one", async () => {
  const orders = await inEveryState();
  const { shipments } = await client().auditOrderShipments({ orderIds: [...Object.values(orders), newId("ord")] });
  const entries = new Map(shipments.map((shipment) => [shipment.orderId, shipment]));
  expect(entries.size).toBe(5);
  const later = (ms: number) => seconds(new Date(now.getTime() + ms));
  expect(entries.get(orders.made)).toMatchObject({ state: ShipmentState.CREATED, nextStepTime: later(dispatchMs) });
  expect(entries.get(orders.dispatched)).toMatchObject({
    state: ShipmentState.DISPATCHED,
    updateTime: seconds(now),
    nextStepTime: later(deliverMs),
  });
  expect(entries.get(orders.delivered)).toMatchObject({ state: ShipmentState.DELIVERED, updateTime: later(-dispatchMs) });
  expect(entries.get(orders.stopped)).toMatchObject({ state: ShipmentState.STOPPED, updateTime: seconds(now) });
  expect(entries.get(orders.neverMade)).toMatchObject({ state: ShipmentState.STOPPED });
  const unplanned = [orders.delivered, orders.stopped, orders.neverMade];
  for (const orderId of unplanned) expect(entries.get(orderId)?.nextStepTime).toBeUndefined();
});

test.each([1, 3, 100])("pages of %i hold every parcel under way once", async (pageSize) => {
  await ready(newOrders(9));
  const { rows } = await sql<{ count: number }>`
    select count(*)::integer as count from shipment where state in ('CREATED', 'DISPATCHED')`.execute(fixture.runtime.db);
  const count = rows[0]?.count ?? 0;
  const { rowsChecked, pages } = await audit(pageSize);
  expect(rowsChecked).toBe(BigInt(count));
  expect(pages).toBe(Math.ceil(count / pageSize));
});

test("a page token that we did not give is refused", async () => {
  const call = client().auditShipments({ pageToken: "!" });
  expect(await refusal(call)).toEqual({ code: Code.InvalidArgument, reason: "PAGE_TOKEN_INVALID" });
});

test("parcels that are made, move, stop and are brought on meanwhile never look forgotten, and nothing blocks", async () => {
  const work = new AbortController();
  const lane = async (): Promise<void> => {
    for (let round = 0; round < 10; round += 1) {
      const orderIds = newOrders(9);
      await ready(orderIds);
      pass(dispatchMs + deliverMs);
      await Promise.all([
        fixture.runDue(),
        stop(orderIds.slice(0, 3)),
        ...orderIds.slice(2, 6).map((orderId) => client().resumeShipment({ orderId, reason: "hurry" })),
      ]);
      await fixture.runDue();
    }
  };
  const auditing = (async () => {
    let audits = 0;
    while (!work.signal.aborted) {
      expect((await audit()).discrepancies).toEqual([]);
      audits += 1;
    }
    return audits;
  })();
  await Promise.all([lane(), lane()]).finally(() => {
    work.abort();
  });
  expect(await auditing).toBeGreaterThan(5);
  const { rows } = await sql`select from resumption where reason = 'hurry'`.execute(fixture.runtime.db);
  expect(rows).toEqual([]);
}, 60_000);
