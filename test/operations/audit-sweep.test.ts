// What is stranded is brought to its end by itself, once, and what cannot be is said.
import { afterAll, beforeAll, expect, test } from "vitest";
import { ReservationState } from "#gen/ordermesh/inventory/v1/stock_pb.ts";
import type { SweepAction } from "#gen/ordermesh/operations/v1/audit_report_pb.ts";
import { PaymentState } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { OrderState } from "../support/mesh.ts";
import { eventually as eventuallyWithin } from "../support/until.ts";
import { auditBench, patience, type AuditBench } from "./audit-bench.ts";

let bench: AuditBench;

const eventually = (assert: () => Promise<void>): Promise<void> => eventuallyWithin(assert, patience);

beforeAll(async () => {
  // Parcels stay where they are, so that orders rest with their stock and their money held.
  bench = await auditBench({ ORDERMESH_CARRIER_DISPATCH_MS: "120000" });
  await Promise.all(["MUG", "CUP"].map((sku) => bench.mesh.product(sku)));
  await bench.mesh.product("DEAR", { minorUnits: 600_000 });
}, 60_000);

afterAll(() => bench?.close());

const readyOrder = async (sku = "MUG"): Promise<string> => {
  const { orderId } = await bench.mesh.place({ items: [{ sku, quantity: 1n }] });
  await bench.mesh.reached(orderId, OrderState.PENDING_SHIPMENT);
  await eventually(async () => expect(await reservationState(orderId)).toBe(ReservationState.FIRM));
  return orderId;
};

const reservationState = async (orderId: string): Promise<ReservationState | undefined> =>
  (await bench.mesh.inventory.getReservation({ orderId })).reservation?.state;

const paymentState = async (orderId: string): Promise<PaymentState | undefined> =>
  (await bench.mesh.client(PaymentsService).getPayment({ orderId })).payment?.state;

const sweepsOf = async (orderId: string): Promise<Pick<SweepAction, "action" | "reason" | "problem">[]> => {
  const { sweeps } = await bench.runAudit();
  return sweeps
    .filter((sweep) => sweep.orderId === orderId)
    .map(({ action, reason, problem }) => ({ action, reason, problem }))
    .toSorted((one, other) => one.action.localeCompare(other.action));
};

const cancelUnheard = (orderId: string): string[] => [
  `update orders.orders set state = 'cancelled', cancel_reason = 'EXPIRED' where order_id = '${orderId}'`,
  `insert into orders.order_timeline (tenant_id, order_id, sequence, state, reason, time)
   select tenant_id, order_id, max(sequence) + 1, 'cancelled', 'EXPIRED', now() from orders.order_timeline
   where order_id = '${orderId}' group by tenant_id, order_id`,
];

/** The order itself first, as the service locks it: the other way round the two can wait for each other. */
const forget = (orderId: string): string[] =>
  ["orders", "order_timeline", "order_services", "order_item"].map(
    (table) => `delete from orders.${table} where order_id = '${orderId}'`,
  );

test.each([
  { order: "was cancelled without a word", plant: cancelUnheard, reason: "the order is cancelled" },
  { order: "does not exist", plant: forget, reason: "the order does not exist" },
])("stock and money of an order that $order are given back", async ({ plant, reason }) => {
  const orderId = await readyOrder();
  await bench.sql(...plant(orderId));
  await eventually(async () => {
    expect(await reservationState(orderId)).toBe(ReservationState.RELEASED);
    expect(await paymentState(orderId)).toBe(PaymentState.VOIDED);
    expect(await sweepsOf(orderId)).toEqual([
      { action: "RELEASE_HOLD", reason, problem: "" },
      { action: "UNDO_PAYMENT", reason, problem: "" },
    ]);
  });
});

test("a pending order without planned work gets its end planned again", async () => {
  const { orderId } = await bench.mesh.place({ items: [{ sku: "DEAR", quantity: 1n }], customerId: "rich" });
  const planned = () => bench.query(`select 1 from orders.due_work where key = '${orderId}'`);
  expect(await planned()).toHaveLength(1);
  await bench.sql(`delete from orders.due_work where key = '${orderId}'`);
  await eventually(async () => {
    expect(await sweepsOf(orderId)).toEqual([
      { action: "RESUME_ORDER", reason: "nothing was planned that ends the order", problem: "" },
    ]);
    expect(await planned()).toHaveLength(1);
    expect(await bench.violation("orders.next_step", orderId)).toBeUndefined();
  });
});

test("a parcel without a next step gets it planned again", async () => {
  const orderId = await readyOrder();
  // Stock may be firm before shipping has heard of the order, and what comes first is the label, which is done at once.
  const dispatch = () =>
    bench.query(`select 1 from shipping.due_work where key = '${orderId}' and due_time > now() + interval '30 s'`);
  await eventually(async () => expect(await dispatch()).toHaveLength(1));
  await bench.sql(`delete from shipping.due_work where key = '${orderId}'`);
  await eventually(async () => {
    expect(await sweepsOf(orderId)).toMatchObject([{ action: "RESUME_SHIPMENT", problem: "" }]);
    // It is planned for now, so the parcel leaves.
    expect(
      await bench.query(`select 1 from shipping.shipment where order_id = '${orderId}' and state <> 'CREATED'`),
    ).toHaveLength(1);
    expect(await bench.violation("shipments.next_step", orderId)).toBeUndefined();
  });
});

test("what cannot be given back is a violation, with one action that says why, however often the books are looked at", async () => {
  const orderId = await readyOrder("CUP");
  await bench.sql(...cancelUnheard(orderId), "update inventory.stock set reserved = 0 where sku = 'CUP'");
  await eventually(async () => expect(await bench.violation("stock.stranded", orderId)).toBeDefined());
  const failed = { action: "RELEASE_HOLD", reason: "the order is cancelled", problem: expect.stringMatching(/./) };
  for (let looks = 0; looks < 5; looks += 1) expect(await sweepsOf(orderId)).toContainEqual(failed);
  const [row] = await bench.query<{ attempts: number; waits: boolean }>(
    `select attempts, next_time > action_time + interval '9 seconds' as waits from operations.sweep_action
     where order_id = '${orderId}' and action = 'RELEASE_HOLD'`,
  );
  expect(row).toEqual({ attempts: 1, waits: true });
});
