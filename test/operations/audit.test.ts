// The auditor on the whole mesh: what agrees is clean, and each error that is planted in a service's tables is found by its
// check, told, and cleared when it is taken back.
import { fromBinary } from "@bufbuild/protobuf";
import { DeliverPolicy, jetstream } from "@nats-io/jetstream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  AuditViolationClearedSchema,
  AuditViolationFoundSchema,
} from "#gen/ordermesh/operations/events/v1/operations_events_pb.ts";
import { AuditState, type AuditViolation } from "#gen/ordermesh/operations/v1/audit_report_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { OrderState } from "../support/mesh.ts";
import { eventually as eventuallyWithin } from "../support/until.ts";
import { auditBench, auditGraceMs, patience, type AuditBench } from "./audit-bench.ts";

let bench: AuditBench;

const eventually = (assert: () => Promise<void>): Promise<void> => eventuallyWithin(assert, patience);
/** Orders of all fates, by name. */
const orders = { delivered: "", declined: "", cancelled: "", review: "" };

const found = async (check: string, key: string): Promise<AuditViolation> => {
  let violation: AuditViolation | undefined;
  await eventually(async () => {
    violation = await bench.violation(check, key);
    expect(violation, `${check} ${key}`).toBeDefined();
  });
  if (!violation) throw new Error("never found");
  return violation;
};

const gone = (check: string, key: string): Promise<void> =>
  eventually(async () => expect(await bench.violation(check, key)).toBeUndefined());

const clean = (): Promise<void> =>
  eventually(async () => {
    const { state, violations, checks, suspects } = await bench.runAudit();
    const problems = checks.filter(({ problem }) => problem !== "").map(({ check, problem }) => `${check}: ${problem}`);
    const seen = violations.map(({ check, key, figures }) => ({ check, key, figures }));
    expect({ state, seen, problems, suspects }).toEqual({ state: AuditState.CLEAN, seen: [], problems: [], suspects: 0n });
  });

const hasLabel = (name: keyof typeof orders): Promise<void> =>
  eventually(async () => {
    const labelled = await bench.query(`select 1 from shipping.shipment where ${order(name)} and state = 'CREATED'`);
    expect(labelled).toHaveLength(1);
  });

beforeAll(async () => {
  // Nothing is given back here by itself.
  bench = await auditBench({ ORDERMESH_SWEEP_GRACE_MS: "600000" });
  const { mesh } = bench;
  await mesh.product("MUG");
  const placed = await Promise.all([
    mesh.place({ items: [{ sku: "MUG", quantity: 2n }] }),
    mesh.place({ paymentToken: "tok_declined" }),
    mesh.place({ customerId: "regret" }),
  ]);
  [orders.delivered = "", orders.declined = "", orders.cancelled = ""] = placed.map(({ orderId }) => orderId);
  await mesh.reached(orders.cancelled, OrderState.PENDING_SHIPMENT);
  // Cancelled before its parcel has a label it would leave a row that no parcel can be planted in.
  await hasLabel("cancelled");
  await mesh.orders.cancelOrder({ orderId: orders.cancelled, reason: "changed my mind" });
  await mesh.reached(orders.delivered, OrderState.DELIVERED);
  await mesh.reached(orders.declined, OrderState.CANCELLED);
  await mesh.reached(orders.cancelled, OrderState.CANCELLED);
}, 60_000);

afterAll(() => bench?.close());

test("a mesh that has run orders of all fates is clean, and every check has looked at all rows", async () => {
  await clean();
  const { checks } = await bench.runAudit();
  expect(checks.filter(({ lastCompleteTime }) => !lastCompleteTime)).toEqual([]);
  const rows = Object.fromEntries(checks.map(({ check, rowsChecked }) => [check, Number(rowsChecked)]));
  for (const check of ["stock.on_hand", "money.ledger", "orders.total", "orders.stock", "events.lost"]) {
    expect(rows[check], check).toBeGreaterThan(0);
  }
});

interface Planted {
  check: string;
  key: () => string;
  plant: () => string[];
  takeBack: () => string[];
  figures?: Record<string, string>;
}

const order = (name: keyof typeof orders): string => `order_id = '${orders[name]}'`;

const plantedErrors: Planted[] = [
  {
    check: "stock.on_hand",
    key: () => "MUG",
    plant: () => ["update inventory.stock set on_hand = on_hand + 1 where sku = 'MUG'"],
    takeBack: () => ["update inventory.stock set on_hand = on_hand - 1 where sku = 'MUG'"],
  },
  {
    check: "stock.reserved",
    key: () => "MUG",
    plant: () => ["update inventory.stock set reserved = reserved + 3 where sku = 'MUG'"],
    takeBack: () => ["update inventory.stock set reserved = reserved - 3 where sku = 'MUG'"],
  },
  {
    check: "stock.oversold",
    key: () => "MUG",
    plant: () => [
      "alter table inventory.stock drop constraint stock_never_oversold",
      "update inventory.stock set reserved = on_hand + 7 where sku = 'MUG'",
    ],
    takeBack: () => [
      "update inventory.stock set reserved = 0 where sku = 'MUG'",
      "alter table inventory.stock add constraint stock_never_oversold check (0 <= reserved and reserved <= on_hand)",
    ],
  },
  {
    check: "stock.shipped",
    key: () => "MUG",
    plant: () => [`update inventory.reservation_line set quantity = quantity + 1 where ${order("delivered")}`],
    takeBack: () => [`update inventory.reservation_line set quantity = quantity - 1 where ${order("delivered")}`],
  },
  {
    check: "money.ledger",
    key: () => orders.delivered,
    plant: () => [
      `update payments.ledger_entry set amount_minor_units = amount_minor_units + 1 where ${order("delivered")} and type = 'CAPTURE'`,
    ],
    takeBack: () => [
      `update payments.ledger_entry set amount_minor_units = amount_minor_units - 1 where ${order("delivered")} and type = 'CAPTURE'`,
    ],
  },
  {
    check: "money.provider",
    key: () => orders.delivered,
    plant: () => [
      `update payments.sandbox_charge set captured_minor_units = captured_minor_units - 1
       where reference = (select provider_reference from payments.payment where ${order("delivered")})`,
    ],
    takeBack: () => [
      `update payments.sandbox_charge set captured_minor_units = captured_minor_units + 1
       where reference = (select provider_reference from payments.payment where ${order("delivered")})`,
    ],
  },
  {
    check: "money.bounds",
    key: () => orders.delivered,
    plant: () => [
      "alter table payments.payment drop constraint refunds_within_capture",
      `update payments.payment set refund_booked_minor_units = captured_minor_units + 5 where ${order("delivered")}`,
    ],
    takeBack: () => [
      `update payments.payment set refund_booked_minor_units = 0 where ${order("delivered")}`,
      `alter table payments.payment add constraint refunds_within_capture check (
         0 <= refunded_minor_units and refunded_minor_units <= refund_booked_minor_units
         and refund_booked_minor_units <= captured_minor_units)`,
    ],
  },
  {
    check: "money.next_step",
    key: () => orders.delivered,
    plant: () => [
      `update payments.payment set state = 'AUTHORIZED', captured_minor_units = 0, captures_due = '[{"amount": 1, "isFinal": true}]'
       where ${order("delivered")}`,
    ],
    takeBack: () => [
      `update payments.payment set state = 'CAPTURED', captured_minor_units = amount_minor_units, captures_due = '[]' where ${order("delivered")}`,
    ],
    figures: { state: "AUTHORIZED", needed: "capture" },
  },
  {
    check: "money.refused",
    key: () => orders.delivered,
    plant: () => [
      `update payments.payment set refused_work = 'capture', refused_code = 'card_expired' where ${order("delivered")}`,
    ],
    takeBack: () => [`update payments.payment set refused_work = null, refused_code = null where ${order("delivered")}`],
    figures: { work: "capture", code: "card_expired" },
  },
  {
    check: "orders.total",
    key: () => orders.delivered,
    plant: () => [`update orders.order_item set unit_price = unit_price + 1 where ${order("delivered")}`],
    takeBack: () => [`update orders.order_item set unit_price = unit_price - 1 where ${order("delivered")}`],
  },
  {
    check: "orders.timeline",
    key: () => orders.delivered,
    plant: () => [`update orders.order_timeline set sequence = sequence + 10 where ${order("delivered")} and state = 'shipped'`],
    takeBack: () => [
      `update orders.order_timeline set sequence = sequence - 10 where ${order("delivered")} and state = 'shipped'`,
    ],
  },
  {
    check: "orders.stock",
    key: () => orders.delivered,
    plant: () => [
      `update inventory.reservation set state = 'RELEASED', release_reason = 'HOLD_EXPIRED' where ${order("delivered")}`,
    ],
    takeBack: () => [`update inventory.reservation set state = 'SHIPPED', release_reason = null where ${order("delivered")}`],
    figures: { order_state: "DELIVERED", reservation_state: "RELEASED", units_ordered: "2" },
  },
  {
    check: "orders.money",
    key: () => orders.delivered,
    plant: () => [`update payments.payment set captured_minor_units = captured_minor_units - 1 where ${order("delivered")}`],
    takeBack: () => [`update payments.payment set captured_minor_units = captured_minor_units + 1 where ${order("delivered")}`],
    figures: { order_state: "DELIVERED", payment_state: "CAPTURED", refunded: "0" },
  },
  {
    check: "orders.parcel",
    key: () => orders.cancelled,
    plant: () => [
      `update shipping.shipment set state = 'DELIVERED', stop_time = null, dispatch_time = now(), deliver_time = now(), event_count = 3
       where ${order("cancelled")}`,
    ],
    takeBack: () => [
      `update shipping.shipment set state = 'STOPPED', stop_time = now(), dispatch_time = null, deliver_time = null, event_count = 2
       where ${order("cancelled")}`,
    ],
    figures: { order_state: "CANCELLED", parcel_state: "DELIVERED" },
  },
  {
    check: "events.lost",
    key: () => "ord_lost",
    plant: () =>
      ["orders", "order_item", "order_services", "order_timeline"].map(
        (table) =>
          `insert into orders.${table} select (jsonb_populate_record(${table}.*, '{"order_id": "ord_lost", "request_id": null}')).*
           from orders.${table} where ${order("declined")}`,
      ),
    takeBack: () =>
      ["order_timeline", "order_services", "order_item", "orders"].map(
        (table) => `delete from orders.${table} where order_id = 'ord_lost'`,
      ),
    figures: { order_state: "CANCELLED" },
  },
  {
    check: "work.overdue",
    key: () => "orders",
    plant: () => [
      `insert into orders.due_work (id, kind, tenant_id, key, due_time, claimed_until, cause_id, traceparent)
       values ('due_planted', 'order.none', 'demo', 'ord_none', now() - interval '2 minutes', now() + interval '1 hour', '', '')`,
    ],
    takeBack: () => ["delete from orders.due_work where id = 'due_planted'"],
    figures: { overdue: "1" },
  },
];

describe("an error in the books", () => {
  test.each(plantedErrors)(
    "$check is found, and cleared when it is mended",
    async ({ check, key, plant, takeBack, figures = {} }) => {
      await bench.sql(...plant());
      const violation = await found(check, key());
      expect(violation).toMatchObject({ tenant: "demo", figures });
      expect(violation.message).not.toBe("");
      await bench.sql(...takeBack());
      await gone(check, key());
      await clean();
    },
  );

  test("is told once as an event, is in GET /v1/audit and a metric, and its end is told too", async () => {
    await bench.sql("update inventory.stock set on_hand = on_hand + 1 where sku = 'MUG'");
    const { violationId } = await found("stock.on_hand", "MUG");
    const report = (await (await bench.mesh.fetch("/v1/audit")).json()) as {
      state: string;
      violations: { check: string; key: string; figures: Record<string, string> }[];
    };
    expect(report).toMatchObject({ state: "AUDIT_STATE_VIOLATED", violationsOpen: "1" });
    expect(report.violations).toMatchObject([{ check: "stock.on_hand", key: "MUG" }]);
    await eventually(async () => {
      const metrics = await (await fetch(`${bench.mesh.rpcUrl}/metrics`)).text();
      expect(metrics).toContain('ordermesh_audit_violations{check="stock.on_hand"} 1');
    });
    await bench.sql("update inventory.stock set on_hand = on_hand - 1 where sku = 'MUG'");
    await gone("stock.on_hand", "MUG");
    await eventually(async () => {
      const events = await toldOf(violationId);
      expect(events.map(({ subject }) => subject.split(".")[6])).toEqual(["AuditViolationFound", "AuditViolationCleared"]);
      const [first, second] = events;
      expect(fromBinary(AuditViolationFoundSchema, first?.data ?? new Uint8Array())).toMatchObject({
        check: "stock.on_hand",
        subject: "MUG",
      });
      expect(fromBinary(AuditViolationClearedSchema, second?.data ?? new Uint8Array()).check).toBe("stock.on_hand");
    });
    await eventually(async () => {
      const metrics = await (await fetch(`${bench.mesh.rpcUrl}/metrics`)).text();
      expect(metrics).toContain('ordermesh_audit_violations{check="stock.on_hand"} 0');
    });
    await clean();
  });
});

const violationsTold = async (): Promise<number> => {
  const read = await bench.query<{ told: string }>(
    "select count(*) as told from operations.outbox where type_name like '%AuditViolationFound'",
  );
  return Number(read[0]?.told);
};

test("a burst of orders is no violation", async () => {
  const before = await violationsTold();
  const placed = await Promise.all(Array.from({ length: 60 }, (_, index) => bench.mesh.place({ customerId: `c${index}` })));
  for (const { orderId } of placed.slice(0, 20)) {
    // On a slow machine the parcel may have left before.
    await bench.mesh.orders.cancelOrder({ orderId }).catch((error) => expect(reasonOf(error)).toBe("ORDER_ALREADY_DISPATCHED"));
  }
  for (const { orderId } of placed.slice(20)) await bench.mesh.reached(orderId, OrderState.DELIVERED);
  await clean();
  expect(await violationsTold()).toBe(before);
});

test("what disagrees because events are still under way is in doubt for as long, and told to nobody", async () => {
  const before = await violationsTold();
  const { orderId } = await bench.mesh.place();
  await bench.mesh.reached(orderId, OrderState.PENDING_SHIPMENT);
  // Inventory's consumers belong to somebody who does not work.
  const consumers = "name not like 'member%' and name not in ('relay', 'due')";
  await bench.sql(
    `update inventory.lease set holder = 'nobody', epoch = epoch + 1, expire_time = now() + interval '1 hour' where ${consumers}`,
  );
  await bench.mesh.orders.cancelOrder({ orderId, reason: "changed my mind" });
  await bench.mesh.reached(orderId, OrderState.CANCELLED);
  await eventually(async () => {
    const doubts = await bench.query(
      `select state from operations.audit_finding
       where check_name = 'orders.stock' and key = '${orderId}' and last_seen_time > first_seen_time + interval '${2 * auditGraceMs} ms'`,
    );
    expect(doubts).toEqual([{ state: "suspect" }]);
  });
  const { state, suspects, violations } = await bench.runAudit();
  expect({ state, suspects, violations }).toEqual({ state: AuditState.INCOMPLETE, suspects: 1n, violations: [] });
  await bench.sql(`update inventory.lease set expire_time = now() where ${consumers}`);
  await clean();
  expect(await violationsTold()).toBe(before);
});

/** The events about a violation, in the order of the stream. */
async function toldOf(violationId: string) {
  const consumer = await jetstream(bench.connection).consumers.get("EVENTS", {
    filter_subjects: [`p.*.ordermesh.operations.events.v1.*.demo.${violationId}`],
    deliver_policy: DeliverPolicy.All,
  });
  const messages = [];
  for await (const message of await consumer.fetch({ max_messages: 10, expires: 1_000 })) messages.push(message);
  return messages;
}
