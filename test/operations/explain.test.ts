// The histories of orders of all fates, by one call each, as an operator reads them.
import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import pg from "pg";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ErasureReason } from "#gen/ordermesh/customers/v1/customer_pb.ts";
import { CustomersService } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { DeadLetterState } from "#gen/ordermesh/operations/v1/dead_letter_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { EventOutcome, OrderStanding, type OrderExplanation } from "#gen/ordermesh/operations/v1/order_explanation_pb.ts";
import { ReturnsService } from "#gen/ordermesh/orders/v1/returns_service_pb.ts";
import { OrderChangesService } from "#gen/ordermesh/orders/v1/changes_service_pb.ts";
import { OrderChangeState } from "#gen/ordermesh/orders/v1/order_change_pb.ts";
import { ShippingMethod } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { bearer } from "../../tools/bearer.ts";
import { openForge } from "../access/forge.ts";
import { OrderState, testMesh, type Basket, type TestMesh } from "../support/mesh.ts";
import { refusal } from "../support/refusal.ts";
import { eventually, until } from "../support/until.ts";
import { person } from "../privacy/marked-person.ts";
import { explanationText, readExplanation, tooEarly, writeExplanation, writesExplanations } from "./explain-lines.ts";

let mesh: TestMesh;
let database: pg.Client;
const carrierSecret = `whsec_${Buffer.from("a secret of the tests, and no other").toString("base64")}`;
const told: string[] = [];
let deliveredId: string;
let undecidedId: string;

beforeAll(async () => {
  mesh = await testMesh({
    ORDERMESH_RETRY_DELAYS_MS: "20,20",
    ORDERMESH_CARRIERS: "EXPRESS=external",
    ORDERMESH_CARRIER_WEBHOOK_SECRETS: `external:demo=${carrierSecret}`,
  });
  database = new pg.Client({ connectionString: mesh.databaseUrl });
  await database.connect();
  await mesh.product("MUG");
  await mesh.product("SCARCE", { stock: 1 });
  await mesh.product("DEAR", { minorUnits: 600_000 });
});

afterAll(async () => {
  await database?.end();
  await mesh?.close();
});

/** All that a buyer may say of itself is said, so that it would be seen where it is repeated. */
function place(change: Basket = {}): Promise<string> {
  const { address: shippingAddress, fingerprint: deviceFingerprint, words: note } = person;
  const buyer = { customerId: "zebulon", customerEmail: person.profile.email, paymentMethodBin: "424299" };
  return mesh.place({ ...buyer, shippingAddress, deviceFingerprint, note, ...change }).then(({ orderId }) => orderId);
}

async function explain(orderId: string): Promise<OrderExplanation> {
  const { explanation } = await mesh.client(OperationsService).explainOrder({ orderId });
  if (!explanation) throw new Error("no explanation in the answer");
  return explanation;
}

/** Waits until the history is the one that is kept of such a fate. */
async function isToldAs(fate: string, orderId: string): Promise<OrderExplanation> {
  if (writesExplanations) await writeExplanation(fate, await settledText(orderId));
  const expected = await readExplanation(fate);
  let explanation = await explain(orderId);
  await eventually(
    async () => {
      explanation = await explain(orderId);
      expect(explanationText(explanation)).toBe(expected);
    },
    { timeoutMs: 20_000 },
  );
  expect(tooEarly(explanation)).toEqual([]);
  told.push(explanationText(explanation));
  return explanation;
}

/** Once nothing has changed for a second. */
async function settledText(orderId: string): Promise<string> {
  let [text, sinceMs] = ["", performance.now()];
  return until(async () => {
    const now = explanationText(await explain(orderId));
    if (now !== text) [text, sinceMs] = [now, performance.now()];
    return performance.now() - sinceMs > 1_000 ? text : "";
  });
}

test("waiting for somebody to decide", async () => {
  const orderId = await place({ items: [{ sku: "DEAR", quantity: 1n }] });
  undecidedId = orderId;
  const waiting = await isToldAs("in-review", orderId);
  expect(waiting.conclusion).toMatchObject({
    standing: OrderStanding.WAITING,
    nextStep: `POST /v1/orders/${orderId}/assessment:decide`,
  });
  const { order } = await mesh.orders.getOrder({ orderId });
  expect(waiting.conclusion?.untilTime).toEqual(order?.expireTime);
});

test("delivered, by REST as well", async () => {
  deliveredId = await place();
  const explanation = await isToldAs("delivered", deliveredId);
  const answer = await mesh.fetch(`/v1/orders/${deliveredId}:explain`);
  expect([answer.status, await answer.json()]).toMatchObject([200, { orderId: deliveredId, state: "DELIVERED" }]);
  // Of one call, so of one trace.
  const traces = explanation.steps.map(({ traceId }) => traceId).filter((traceId) => traceId !== "");
  expect([...new Set(traces)]).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)]);
});

test.each([
  { fate: "declined", change: { paymentToken: "tok_declined" } },
  { fate: "rejected", change: { paymentMethodBin: "400000" } },
])("$fate", async ({ fate, change }) => {
  const { conclusion } = await isToldAs(fate, await place(change));
  expect(conclusion?.standing).toBe(OrderStanding.FINAL);
});

test("out of stock: it was there when the order was placed, and gone when it began", async () => {
  const items = [{ sku: "SCARCE", quantity: 1n }];
  const orderId = await place({ items, processAfter: timestampFromMs(Date.now() + 1_000) });
  await mesh.inventory.adjustStock({ sku: "SCARCE", quantity: -1n, reason: "broken" });
  await mesh.reached(orderId, OrderState.CANCELLED);
  await isToldAs("out-of-stock", orderId);
});

test("scheduled, and waiting for its time", async () => {
  const processAfter = timestampFromMs(Date.now() + 3_600_000);
  const { conclusion } = await isToldAs("scheduled", await place({ processAfter }));
  expect(conclusion?.untilTime && timestampDate(conclusion.untilTime)).toEqual(timestampDate(processAfter));
});

test("cancelled while its parcel was made", async () => {
  const orderId = await place({ shippingMethod: ShippingMethod.EXPRESS });
  await eventually(async () => expect((await mesh.orders.getOrder({ orderId })).order?.trackingNumber).not.toBe(""));
  await mesh.orders.cancelOrder({ orderId, reason: person.words });
  await isToldAs("cancelled", orderId);
});

test("changed while its parcel was made: previewed, confirmed, and told", async () => {
  const orderId = await place({ shippingMethod: ShippingMethod.EXPRESS, items: [{ sku: "MUG", quantity: 3n }] });
  await eventually(async () => expect((await mesh.orders.getOrder({ orderId })).order?.trackingNumber).not.toBe(""));
  const changes = mesh.client(OrderChangesService);
  const wish = { lines: [{ sku: "MUG", quantity: 1n }] };
  const { token } = await changes.previewOrderChange({ orderId, wish });
  const { change } = await changes.confirmOrderChange({ orderId, wish, token, requestId: "less", words: person.words });
  expect(change?.state).toBe(OrderChangeState.APPLIED);
  await isToldAs("changed", orderId);
});

test("a change that its buyer asked for and that is refused, because the stock was gone in that moment", async () => {
  await mesh.product("RARE", { stock: 1 });
  const orderId = await place({ shippingMethod: ShippingMethod.EXPRESS, items: [{ sku: "MUG", quantity: 3n }] });
  await eventually(async () => expect((await mesh.orders.getOrder({ orderId })).order?.trackingNumber).not.toBe(""));
  const { sign } = await openForge(mesh);
  const claims = { sub: "zebulon", client_id: "shop", roles: ["customer"], scope: "orders:read orders:write" };
  const interceptors = [bearer(() => sign({ claims }))];
  const buyer = createClient(
    OrderChangesService,
    createConnectTransport({ baseUrl: mesh.rpcUrl, httpVersion: "2", interceptors }),
  );
  const lines = [
    { sku: "MUG", quantity: 1n },
    { sku: "RARE", quantity: 1n },
  ];
  const { token } = await buyer.previewOrderChange({ orderId, wish: { lines } });
  // Inventory has to wait until the stock is gone.
  await database.query("begin");
  await database.query("select from inventory.reservation where order_id = $1 for update", [orderId]);
  const confirmed = buyer.confirmOrderChange({ orderId, wish: { lines }, token, requestId: "other" });
  await until(async () => {
    const { rowCount } = await database.query("select from shipping.parcel_hold where order_id = $1", [orderId]);
    return rowCount === 1;
  });
  await database.query("update inventory.stock set on_hand = 0 where sku = 'RARE'");
  await database.query("commit");
  expect((await confirmed).change).toMatchObject({ state: OrderChangeState.REFUSED, reason: "STOCK_UNAVAILABLE" });
  await isToldAs("change-refused", orderId);
});

/** Of two mugs that have arrived both go back, one is accepted, and can be sold again. */
async function sendBack(exchange?: { items: { sku: string; quantity: bigint }[]; paymentToken: string }): Promise<string> {
  const orderId = await place({ items: [{ sku: "MUG", quantity: 2n }] });
  await mesh.reached(orderId, OrderState.DELIVERED);
  const returns = mesh.client(ReturnsService);
  const wish = { orderId, lines: [{ sku: "MUG", quantity: 2n }], requestId: "back", words: person.words };
  const { return: back } = await returns.requestReturn({ ...wish, ...(exchange ? { exchange } : {}) });
  const which = { orderId, returnId: back?.returnId ?? "", words: person.words };
  await returns.approveReturn(which);
  await returns.receiveReturn({ ...which, lines: [{ sku: "MUG", accepted: 1n, restocked: 1n }] });
  return orderId;
}

test("sent back by its buyer, in part accepted, paid back and on the shelf again", async () => {
  const { conclusion } = await isToldAs("sent-back", await sendBack());
  expect(conclusion?.standing).toBe(OrderStanding.FINAL);
});

test("sent back, with something else ordered instead", async () => {
  const exchange = { items: [{ sku: "MUG", quantity: 1n }], paymentToken: "tok_success" };
  const { conclusion } = await isToldAs("exchanged", await sendBack(exchange));
  expect(conclusion?.standing).toBe(OrderStanding.FINAL);
});

test("stopped by an event that cannot be handled, and going on once it is sent again", async () => {
  await database.query("alter table shipping.shipment add constraint poison check (customer_id <> 'poisoned')");
  const orderId = await place({ customerId: "poisoned" });
  const operations = mesh.client(OperationsService);
  await eventually(async () => {
    const { deadLetters } = await operations.listDeadLetters({ filter: { key: orderId, state: DeadLetterState.OPEN } });
    expect(deadLetters).toHaveLength(1);
  });
  const stopped = await isToldAs("dead-letter", orderId);
  expect(stopped.conclusion?.standing).toBe(OrderStanding.STOPPED);
  const route = stopped.conclusion?.nextStep ?? "";
  const [, method = "", path = ""] = /^(POST) (\S+)$/.exec(route) ?? [];
  await database.query("alter table shipping.shipment drop constraint poison");
  const headers = { "content-type": "application/json" };
  // What the answer says to do is what helps.
  const answer = await mesh.fetch(path, { method, headers, body: JSON.stringify({ reason: person.words }) });
  expect(answer.status).toBe(202);
  await mesh.reached(orderId, OrderState.DELIVERED);
  await isToldAs("redriven", orderId);
});

test("returned to its sender, with the money given back", async () => {
  const orderId = await place({ shippingMethod: ShippingMethod.EXPRESS });
  let trackingNumber = "";
  await eventually(async () => {
    trackingNumber = (await mesh.orders.getOrder({ orderId })).order?.trackingNumber ?? "";
    expect(trackingNumber).not.toBe("");
  });
  for (const [type, state] of [
    ["delivery_failed", OrderState.SHIPPED],
    ["returned_to_sender", OrderState.RETURNED],
  ] as const) {
    expect(await tellCarrier(type, trackingNumber)).toBe(200);
    await mesh.reached(orderId, state);
  }
  await isToldAs("returned", orderId);
});

async function tellCarrier(type: string, trackingNumber: string): Promise<number> {
  const { recipient: signedBy, city: place } = person.address;
  const body = JSON.stringify({ type, trackingNumber, time: new Date().toISOString(), place, detail: signedBy });
  const [id, time] = [`msg-${type}`, new Date()];
  const headers = {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(time.getTime() / 1_000)),
    "webhook-signature": new Webhook(carrierSecret).sign(id, time, body),
  };
  return (await fetch(`${mesh.edgeUrl}/v1/carrier-webhooks/external/demo`, { method: "POST", headers, body })).status;
}

test("waiting for the buyer to act at its bank", async () => {
  const orderId = await place({ paymentToken: "tok_3ds" });
  const { conclusion } = await isToldAs("buyer-acts", orderId);
  expect(conclusion?.untilTime).toEqual((await mesh.orders.getOrder({ orderId })).order?.expireTime);
});

test("expired: nobody decided in time", async () => {
  // As if its quarter of an hour were over.
  await database.query("update orders.due_work set due_time = now() where key = $1", [undecidedId]);
  await mesh.reached(undecidedId, OrderState.CANCELLED);
  await isToldAs("expired", undecidedId);
});

test("an order that nobody knows is refused, and one with a wildcard in its id is no order", async () => {
  const operations = mesh.client(OperationsService);
  expect(await refusal(operations.explainOrder({ orderId: "ord_none" }))).toMatchObject({ reason: "ORDER_NOT_FOUND" });
  for (const orderId of ["*", ">", "ord_1.x"]) await expect(operations.explainOrder({ orderId })).rejects.toThrow(/order_id/);
});

test("an event that is written and not published is told as such", async () => {
  const orderId = await place({ processAfter: timestampFromMs(Date.now() + 3_600_000) });
  // As if the relay stood still: an event of the order is written behind where it has come to, and its transaction stays open to it.
  const insert = `insert into orders.outbox (xid, event_id, type_name, tenant_id, key, sequence, event_time, cause_id, traceparent, payload)
    values ((pg_current_xact_id()::text::bigint + 1000000)::text::xid8, 'evt_late', 'ordermesh.orders.events.v1.OrderCancelled',
      'demo', $1, 1, now(), 'req_late', '', '')`;
  await database.query(insert, [orderId]);
  const { steps } = await explain(orderId);
  expect(steps.find(({ id }) => id === "evt_late")).toMatchObject({
    name: "OrderCancelled",
    text: expect.stringContaining("not published yet"),
  });
  await database.query("delete from orders.outbox where event_id = 'evt_late'");
});

test("nothing of it names the buyer or repeats anybody's words, before its erasure and after", async () => {
  const secrets = /zebulon|poisoned|4299|424299|400000|tok_|whsec_|99887/i;
  expect(told).toHaveLength(16);
  for (const text of told) expect(text).not.toMatch(secrets);
  await mesh.client(CustomersService).eraseCustomer({ customerId: "zebulon", reason: ErasureReason.CONSENT_WITHDRAWN });
  await eventually(async () => {
    const explanation = await explain(deliveredId);
    expect(explanation.steps.map(({ name }) => name)).toContain("OrderErased");
    const handled = explanation.steps.flatMap(({ handledBy }) => handledBy);
    expect(handled.filter(({ outcome }) => outcome !== EventOutcome.HANDLED)).toEqual([]);
    expect(JSON.stringify(explanation, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value))).not.toMatch(
      /zebulon|424299|tok_|99887/i,
    );
  });
});
