// The auditor looks after changes and returns: each error that is planted in their books is found by its check, and cleared when it is
// taken back.
import { afterAll, beforeAll, expect, test } from "vitest";
import { ReturnsService } from "#gen/ordermesh/orders/v1/returns_service_pb.ts";
import { AuditState } from "#gen/ordermesh/operations/v1/audit_report_pb.ts";
import { OrderState } from "../support/mesh.ts";
import { eventually as eventuallyWithin, until } from "../support/until.ts";
import { auditBench, patience, type AuditBench } from "./audit-bench.ts";

let bench: AuditBench;
const orders = { back: "", ready: "" };
let returnId = "";

const eventually = (assert: () => Promise<void>): Promise<void> => eventuallyWithin(assert, patience);

const clean = (): Promise<void> =>
  eventually(async () => {
    const { state, violations } = await bench.runAudit();
    expect({ state, violations }).toEqual({ state: AuditState.CLEAN, violations: [] });
  });

beforeAll(async () => {
  bench = await auditBench({ ORDERMESH_CARRIER_DISPATCH_MS: "600000" });
  const { mesh } = bench;
  await mesh.product("MUG");
  const placed = await Promise.all([
    mesh.place({ items: [{ sku: "MUG", quantity: 2n }] }),
    mesh.place({ items: [{ sku: "MUG", quantity: 1n }] }),
  ]);
  [orders.back = "", orders.ready = ""] = placed.map(({ orderId }) => orderId);
  await until(
    async () => (await bench.query("select from shipping.shipment where state = 'CREATED'")).length === placed.length,
    patience,
  );
  await bench.sql(`update shipping.due_work set due_time = now() where key = '${orders.back}'`);
  await mesh.reached(orders.back, OrderState.DELIVERED);
  const returns = mesh.client(ReturnsService);
  const asked = await returns.requestReturn({ orderId: orders.back, lines: [{ sku: "MUG", quantity: 2n }], requestId: "back" });
  returnId = asked.return?.returnId ?? "";
  const which = { orderId: orders.back, returnId };
  await returns.approveReturn(which);
  await returns.receiveReturn({ ...which, lines: [{ sku: "MUG", accepted: 2n, restocked: 1n }] });
  await clean();
}, 90_000);

afterAll(() => bench?.close());

interface Planted {
  check: string;
  key: () => string;
  plant: () => string[];
  takeBack: () => string[];
  figures: Record<string, string>;
}

const requested = (): string[] => [
  `insert into orders.order_change (tenant_id, order_id, change_id, state, before, after, words, request_id, create_time)
   values ('demo', '${orders.ready}', 'chg_planted', 'requested', '{}', '{}', '', 'planted', now() - interval '1 hour')`,
  `update orders.orders set last_change_id = 'chg_planted', last_change_state = 'requested' where order_id = '${orders.ready}'`,
  // Somebody has taken the work that would end it, and does not do it.
  `insert into orders.due_work (id, kind, tenant_id, key, due_time, claimed_until, cause_id, traceparent)
   values ('due_planted', 'orders.change', 'demo', '${orders.ready}', now() + interval '1 hour', now(), '', '')`,
];

test.each<Planted>([
  {
    check: "orders.changes",
    key: () => orders.ready,
    plant: requested,
    takeBack: () => [
      "delete from orders.due_work where id = 'due_planted'",
      "delete from orders.order_change where change_id = 'chg_planted'",
      `update orders.orders set last_change_id = '', last_change_state = '' where order_id = '${orders.ready}'`,
    ],
    figures: { order_state: "PENDING_SHIPMENT" },
  },
  {
    check: "orders.holds",
    key: () => orders.ready,
    plant: () => [
      `insert into shipping.parcel_hold (tenant_id, order_id, change_id, create_time)
       values ('demo', '${orders.ready}', 'chg_planted', now())`,
    ],
    takeBack: () => ["delete from shipping.parcel_hold where change_id = 'chg_planted'"],
    figures: { change_id: "chg_planted" },
  },
  {
    check: "orders.returns",
    key: () => orders.back,
    plant: () => [`update orders.order_return set refund = refund + 1 where return_id = '${returnId}'`],
    takeBack: () => [`update orders.order_return set refund = refund - 1 where return_id = '${returnId}'`],
    figures: { currency: "EUR" },
  },
  {
    check: "orders.restocked",
    key: () => orders.back,
    plant: () => [
      `insert into inventory.stock_movement (tenant_id, movement_id, sku, type, quantity, reason, order_id, return_id, create_time)
       select tenant_id, 'mov_planted', sku, type, quantity, reason, order_id, 'rtn_planted', create_time
       from inventory.stock_movement where return_id = '${returnId}'`,
      "update inventory.stock set on_hand = on_hand + 1 where sku = 'MUG'",
    ],
    takeBack: () => [
      "delete from inventory.stock_movement where movement_id = 'mov_planted'",
      "update inventory.stock set on_hand = on_hand - 1 where sku = 'MUG'",
    ],
    figures: { restocked: "1", on_hand_again: "2" },
  },
  {
    check: "money.returns",
    key: () => orders.back,
    plant: () => [`update payments.refund set return_id = null where return_id = '${returnId}'`],
    takeBack: () => [`update payments.refund set return_id = '${returnId}' where order_id = '${orders.back}'`],
    figures: { refunds: "0" },
  },
])("$check is found, and cleared when it is mended", async ({ check, key, plant, takeBack, figures }) => {
  await bench.sql(...plant());
  await eventually(async () => expect(await bench.violation(check, key())).toMatchObject({ tenant: "demo", figures }));
  await bench.sql(...takeBack());
  await clean();
});
