// The audit of orders: it finds each kind of error that is planted, and says nothing while orders merely move.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { sql, type RawBuilder } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FraudClearedSchema, FraudReviewRequiredSchema } from "#gen/ordermesh/fraud/events/v1/fraud_events_pb.ts";
import { StockReservedSchema } from "#gen/ordermesh/inventory/events/v1/inventory_events_pb.ts";
import { OrderState } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersAuditService, type OrderEntry } from "#gen/ordermesh/orders/v1/orders_audit_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { PaymentActionRequiredSchema, PaymentAuthorizedSchema } from "#gen/ordermesh/payments/events/v1/payments_events_pb.ts";
import { ShipmentDeliveredSchema, ShipmentDispatchedSchema } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { refusal } from "../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { orders } from "./main.ts";
import { neighbours } from "./neighbours.fixture.ts";
import type { OrdersTables } from "./store/tables.ts";

let fixture: ServiceFixture<OrdersTables>;
beforeEach(async () => {
  const around = neighbours();
  around.stock.set("MUG", 1_000_000n);
  fixture = await serviceFixture(orders, { others: around.routes, env: { ORDERMESH_DISPATCH_LIMIT_HOURS: "1" } });
});
afterEach(() => fixture.close());

const client = () => fixture.client(OrdersAuditService);
const execute = (statement: RawBuilder<unknown>) => statement.execute(fixture.runtime.db);

async function place(quantity = 2n): Promise<string> {
  const { order } = await fixture.client(OrdersService).placeOrder({
    customerId: "ada",
    currency: "EUR",
    paymentToken: "tok_success",
    items: [
      { sku: "MUG", quantity },
      { sku: "TEA", quantity: 1n },
    ],
  });
  if (!order) throw new Error("no order in the answer");
  return order.orderId;
}

type Step = "reserved" | "review" | "cleared" | "asked" | "authorized" | "dispatched" | "delivered";

const tell: Record<Step, (orderIds: string[]) => Promise<void>> = {
  reserved: (orderIds) => fixture.deliver(StockReservedSchema, ...orderIds.map((orderId) => ({ orderId }))),
  review: (orderIds) => fixture.deliver(FraudReviewRequiredSchema, ...orderIds.map((orderId) => ({ orderId }))),
  cleared: (orderIds) => fixture.deliver(FraudClearedSchema, ...orderIds.map((orderId) => ({ orderId }))),
  asked: (orderIds) => fixture.deliver(PaymentActionRequiredSchema, ...orderIds.map((orderId) => ({ orderId }))),
  authorized: (orderIds) => fixture.deliver(PaymentAuthorizedSchema, ...orderIds.map((orderId) => ({ orderId }))),
  dispatched: (orderIds) => fixture.deliver(ShipmentDispatchedSchema, ...orderIds.map((orderId) => ({ orderId }))),
  delivered: (orderIds) => fixture.deliver(ShipmentDeliveredSchema, ...orderIds.map((orderId) => ({ orderId }))),
};

const toTheDoor: Step[] = ["reserved", "cleared", "authorized", "dispatched", "delivered"];

async function bring(orderId: string, steps: readonly Step[]): Promise<string> {
  for (const step of steps) await tell[step]([orderId]);
  return orderId;
}

interface Audited {
  rowsChecked: number;
  found: { check: string; key: string }[];
  orders: OrderEntry[];
}

/** The whole audit, page by page. */
async function audit({ pageSize = 1_000, openOnly = false } = {}): Promise<Audited> {
  const audited: Audited = { rowsChecked: 0, found: [], orders: [] };
  let pageToken = "";
  do {
    const page = await client().auditOrders({ pageSize, pageToken, openOnly });
    audited.rowsChecked += Number(page.rowsChecked);
    audited.found.push(...page.discrepancies.map(({ check, key }) => ({ check, key })));
    audited.orders.push(...page.orders);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return audited;
}

const planted: { name: string; check: string; error: (orderId: string) => RawBuilder<unknown> }[] = [
  {
    name: "a line whose price was changed",
    check: "orders.total",
    error: (orderId) => sql`update order_item set unit_price = unit_price + 1 where order_id = ${orderId} and position = 1`,
  },
  {
    name: "an order without lines",
    check: "orders.total",
    error: (orderId) => sql`delete from order_item where order_id = ${orderId}`,
  },
  {
    name: "a timeline with a gap",
    check: "orders.timeline",
    error: (orderId) => sql`update order_timeline set sequence = 3 where order_id = ${orderId} and sequence = 2`,
  },
  {
    name: "a step that no order takes",
    check: "orders.timeline",
    error: (orderId) => sql`update order_timeline set state = 'delivered' where order_id = ${orderId} and sequence = 2`,
  },
  {
    name: "a state that the timeline does not lead to",
    check: "orders.timeline",
    error: (orderId) => sql`update orders set state = 'delivered' where order_id = ${orderId}`,
  },
  {
    name: "no timeline at all",
    check: "orders.timeline",
    error: (orderId) => sql`delete from order_timeline where order_id = ${orderId}`,
  },
];

test.each(planted)("$name: $check", async ({ check, error }) => {
  await place();
  const wrong = await bring(await place(), ["reserved", "cleared", "authorized"]);
  expect(await audit()).toMatchObject({ rowsChecked: 2, found: [] });
  await execute(error(wrong));
  expect(await audit()).toMatchObject({ rowsChecked: 2, found: [{ check, key: wrong }] });
});

test("an order whose buyer has to act waits for the buyer, and is in order", async () => {
  const asked = await bring(await place(), ["reserved", "cleared", "asked"]);
  expect(await audit()).toMatchObject({ found: [], orders: [{ orderId: asked, state: OrderState.PENDING, waitsFor: "buyer" }] });
});

test("pages show every order once, oldest first, and open_only leaves out what is final", async () => {
  const placed: string[] = [];
  for (let index = 0; index < 5; index += 1) placed.push(await place());
  await bring(placed[1] ?? "", toTheDoor);
  await fixture.client(OrdersService).cancelOrder({ orderId: placed[3] ?? "" });
  for (const pageSize of [1, 2, 5, 100]) {
    const all = await audit({ pageSize });
    expect(all.orders.map(({ orderId }) => orderId)).toEqual(placed);
    expect(all).toMatchObject({ rowsChecked: 5, found: [] });
    const open = await audit({ pageSize, openOnly: true });
    expect(open.orders.map(({ orderId }) => orderId)).toEqual([placed[0], placed[2], placed[4]]);
  }
});

test("each order says where it stands, whom it waits for and until when", async () => {
  const pending = await place();
  const review = await bring(await place(), ["reserved", "review"]);
  const ready = await bring(await place(5n), ["reserved", "cleared", "authorized"]);
  const delivered = await bring(await place(), toTheDoor);
  const { orders: found } = await client().readOrderStates({ orderIds: [delivered, ready, review, pending, "ord_unknown"] });
  expect(found).toMatchObject([
    { orderId: pending, state: OrderState.PENDING, waitsFor: "inventory", eventsSent: 1n, units: 3n },
    { orderId: review, state: OrderState.PENDING, waitsFor: "review", eventsSent: 1n },
    {
      orderId: ready,
      state: OrderState.PENDING_SHIPMENT,
      waitsFor: "shipping",
      eventsSent: 3n,
      units: 6n,
      total: { currencyCode: "EUR", minorUnits: 5n * 1250n + 499n + 500n },
    },
    { orderId: delivered, state: OrderState.DELIVERED, waitsFor: "", eventsSent: 5n },
  ]);
  const { order } = await fixture.client(OrdersService).getOrder({ orderId: pending });
  expect(found[0]?.waitsUntil).toEqual(order?.expireTime);
  const [, , shown] = found;
  if (!shown?.stateTime || !shown.waitsUntil) throw new Error("an order that waits says until when");
  expect(timestampDate(shown.waitsUntil).getTime() - timestampDate(shown.stateTime).getTime()).toBe(3_600_000);
  expect(found[3]?.waitsUntil).toBeUndefined();
});

test("orders on their way to the door have no discrepancy at any moment", async () => {
  const placed = await Promise.all(Array.from({ length: 100 }, () => place()));
  const movement = { isOver: false };
  const move = async () => {
    try {
      for (const step of toTheDoor) {
        for (let from = 0; from < placed.length; from += 10) await tell[step](placed.slice(from, from + 10));
      }
    } finally {
      movement.isOver = true;
    }
  };
  const watch = async () => {
    let audits = 0;
    while (!movement.isOver) {
      expect(await audit({ pageSize: 30 })).toMatchObject({ rowsChecked: 100, found: [] });
      audits += 1;
    }
    return audits;
  };
  const [, audits] = await Promise.all([move(), watch()]);
  expect(audits).toBeGreaterThan(3);
  expect(await audit({ openOnly: true })).toMatchObject({ rowsChecked: 0, found: [] });
});

describe("an order that has lost the work that ends it", () => {
  const planned = async () => {
    const { rows } = await sql<{ key: string; dueTime: Date }>`
      select key, due_time as "dueTime" from due_work`.execute(fixture.runtime.db);
    return rows;
  };

  test("is found as orders.next_step; twenty resumes plan its end once, at its own time", async () => {
    const orderId = await place();
    await execute(sql`delete from due_work`);
    expect((await audit()).found).toEqual([{ check: "orders.next_step", key: orderId }]);
    const resume = () => client().resumeOrder({ orderId, reason: "lost" });
    const answers = await Promise.all(Array.from({ length: 20 }, resume));
    for (const { order } of answers) expect(order).toMatchObject({ orderId, state: OrderState.PENDING });
    const { order } = await fixture.client(OrdersService).getOrder({ orderId });
    if (!order?.expireTime) throw new Error("an order has a time at which it ends");
    expect(await planned()).toEqual([{ key: orderId, dueTime: timestampDate(order.expireTime) }]);
    expect((await audit()).found).toEqual([]);
  });

  test("ends, once resumed, when its time is over", async () => {
    const orderId = await place();
    await execute(sql`delete from due_work`);
    await execute(sql`update orders set expire_time = now() - interval '1 minute'`);
    await client().resumeOrder({ orderId, reason: "lost" });
    await fixture.runDue();
    const { orders: found } = await client().readOrderStates({ orderIds: [orderId] });
    expect(found).toMatchObject([{ state: OrderState.CANCELLED, waitsFor: "" }]);
  });

  test("resumes while it ends leave it ended, and nothing planned", async () => {
    const placed = await Promise.all(Array.from({ length: 20 }, () => place()));
    await execute(sql`update due_work set due_time = now() - interval '1 minute'`);
    await execute(sql`update orders set expire_time = now() - interval '1 minute'`);
    const resume = (orderId: string) => client().resumeOrder({ orderId, reason: "lost" });
    await Promise.all([fixture.runDue(), ...placed.map(resume), ...placed.map(resume)]);
    expect(await planned()).toEqual([]);
    const { orders: found } = await client().readOrderStates({ orderIds: placed });
    expect(new Set(found.map(({ state, eventsSent }) => `${state} ${eventsSent}`))).toEqual(
      new Set([`${OrderState.CANCELLED} 2`]),
    );
  });

  test("work that is being tried again keeps its time", async () => {
    const orderId = await place();
    await execute(sql`update due_work set attempt = 3, due_time = now() + interval '20 seconds'`);
    const before = await planned();
    await client().resumeOrder({ orderId, reason: "impatience" });
    expect(await planned()).toEqual(before);
  });

  test("a resume of an order that waits for nothing plans nothing, and an unknown one is not found", async () => {
    const orderId = await bring(await place(), ["reserved", "cleared", "authorized"]);
    await client().resumeOrder({ orderId, reason: "by mistake" });
    expect(await planned()).toEqual([]);
    const unknown = client().resumeOrder({ orderId: "ord_unknown", reason: "by mistake" });
    expect(await refusal(unknown)).toMatchObject({ reason: "ORDER_NOT_FOUND" });
  });
});
