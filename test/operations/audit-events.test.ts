// Events that are missing, late or unknown, and orders whose time is over.
import { jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AuditState } from "#gen/ordermesh/operations/v1/audit_report_pb.ts";
import { OrderState } from "../support/mesh.ts";
import { eventually as eventuallyWithin } from "../support/until.ts";
import { auditBench, patience, type AuditBench } from "./audit-bench.ts";

let bench: AuditBench;

const eventually = (assert: () => Promise<void>): Promise<void> => eventuallyWithin(assert, patience);

beforeAll(async () => {
  bench = await auditBench({ ORDERMESH_CARRIER_DISPATCH_MS: "100" });
  await bench.mesh.product("MUG");
  await bench.mesh.product("DEAR", { minorUnits: 600_000 });
}, 60_000);

afterAll(() => bench?.close());

/** An event that nobody hears. */
const publish = (key: string, sequence: number, id = `evt_${key}_${sequence}`): Promise<void> =>
  bench.publish(`ordermesh.operations.events.v1.DeadLetterClosed.demo.${key}`, {
    "ce-id": id,
    "ce-type": "ordermesh.operations.events.v1.DeadLetterClosed",
    "ce-time": new Date().toISOString(),
    "ce-sequence": String(sequence),
  });

const gap = (key: string) => bench.violation("events.sequence", `operations/${key}`);

interface KeyRow {
  seen: string;
  isWhole: boolean;
}

const keyRow = async (key: string): Promise<KeyRow | undefined> =>
  (
    await bench.query<KeyRow>(`select seen::text, gap_time is null as "isWhole" from operations.stream_key where key = '${key}'`)
  )[0];

const cleared = (check: string, key: string): Promise<void> =>
  eventually(async () => expect(await bench.violation(check, key)).toBeUndefined());

test("a number that is missing is found with what is missing, also before the first one seen, and cleared when it comes", async () => {
  await publish("ltr_gap", 2);
  await publish("ltr_gap", 5);
  await eventually(async () => expect(await gap("ltr_gap")).toBeDefined());
  expect((await gap("ltr_gap"))?.figures).toEqual({
    service: "operations",
    key: "ltr_gap",
    missing: "{[1,2),[3,5)}",
    highest: "5",
  });
  for (const sequence of [1, 3, 4]) await publish("ltr_gap", sequence);
  await eventually(async () => expect(await gap("ltr_gap")).toBeUndefined());
});

test("a number that comes again, also after a higher one, is no gap", async () => {
  for (const sequence of [1, 2, 3]) await publish("ltr_again", sequence);
  await publish("ltr_again", 2, "evt_again");
  await eventually(async () => expect(await keyRow("ltr_again")).toEqual({ seen: "{[1,4)}", isWhole: true }));
});

test("an event without a number is not counted", async () => {
  await publish("ltr_none", 0);
  await publish("ltr_after", 1);
  await eventually(async () => expect(await keyRow("ltr_after")).toBeDefined());
  expect(await keyRow("ltr_none")).toBeUndefined();
});

test("an event whose type is in no contract is one dead letter", async () => {
  await bench.publish("ordermesh.weather.events.v1.RainForecast.demo.key_1", { "ce-id": "evt_rain", "ce-sequence": "1" });
  await eventually(async () => {
    const letters = await bench.query(
      "select consumer, code, key, event_id from operations.dead_letter where code = 'TYPE_UNKNOWN'",
    );
    expect(letters).toEqual([{ consumer: "operations", code: "TYPE_UNKNOWN", key: "key_1", event_id: "evt_rain" }]);
  });
});

test("events that wait to be published are found, and are not lost", async () => {
  // A relay that somebody else has, and does not work.
  await bench.sql(
    "update orders.lease set holder = 'nobody', epoch = epoch + 1, expire_time = now() + interval '1 hour' where name = 'relay'",
  );
  const { orderId } = await bench.mesh.place();
  await eventually(async () => expect(await bench.violation("events.unpublished", "orders")).toBeDefined());
  expect(await bench.violation("events.lost", orderId)).toBeUndefined();
  await bench.sql("update orders.lease set expire_time = now() where name = 'relay'");
  await cleared("events.unpublished", "orders");
  await bench.mesh.reached(orderId, OrderState.DELIVERED);
});

test("an order whose time is over is stuck, unless a dead letter of its key says why", async () => {
  const { orderId } = await bench.mesh.place({ items: [{ sku: "DEAR", quantity: 1n }], customerId: "rich" });
  await bench.sql(
    `update orders.orders set expire_time = now() - interval '1 minute' where order_id = '${orderId}'`,
    `update orders.order_services set expires_at = now() - interval '1 minute' where order_id = '${orderId}'`,
  );
  await eventually(async () => expect(await bench.violation("orders.stuck", orderId)).toBeDefined());
  expect((await bench.violation("orders.stuck", orderId))?.figures).toMatchObject({
    order_state: "PENDING",
    waits_for: "review",
  });
  await bench.publish(`ordermesh.weather.events.v1.RainForecast.demo.${orderId}`, { "ce-id": "evt_why", "ce-sequence": "1" });
  await cleared("orders.stuck", orderId);
  await bench.sql(
    `update orders.orders set expire_time = now() + interval '1 hour' where order_id = '${orderId}'`,
    `update orders.order_services set expires_at = now() + interval '1 hour' where order_id = '${orderId}'`,
  );
});

test("a stream that was deleted and made anew is read from its beginning, and nothing is called lost that is not", async () => {
  const { orderId } = await bench.mesh.place();
  await bench.mesh.reached(orderId, OrderState.DELIVERED);
  await eventually(async () => expect(await keyRow(orderId)).toMatchObject({ isWhole: true }));
  const [before] = await bench.query<{ created: string }>("select stream_created as created from operations.stream_reader");
  await (await jetstreamManager(bench.connection)).streams.delete("EVENTS");
  // Whoever publishes next finds that it is gone, and what was published is published again.
  const next = await bench.mesh.place();
  await eventually(async () => {
    const [after] = await bench.query<{ created: string }>("select stream_created as created from operations.stream_reader");
    expect(after?.created).not.toBe(before?.created);
    expect(await keyRow(next.orderId)).toMatchObject({ isWhole: true });
  });
  const { violations } = await bench.runAudit();
  expect(violations.filter(({ check }) => check.startsWith("events."))).toEqual([]);
}, 90_000);

test("two who ask for an audit at once get the same pass", async () => {
  const [one, other] = await Promise.all([bench.runAudit(), bench.runAudit()]);
  const passes = (report: typeof one) => report.checks.map(({ lastCompleteTime }) => lastCompleteTime);
  expect(passes(one).every((time) => time !== undefined)).toBe(true);
  expect(one.state).toBe(other.state);
  expect(one.state).not.toBe(AuditState.UNSPECIFIED);
});
