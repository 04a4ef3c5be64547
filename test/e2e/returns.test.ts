// Goods come back in the whole mesh: paid back and on the shelf once, however often it is said, and whoever refunds by hand besides.
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AuditState } from "#gen/ordermesh/operations/v1/audit_report_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { ExchangeState, ReturnsService, ReturnState } from "#gen/ordermesh/orders/v1/returns_service_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { bearer } from "../../tools/bearer.ts";
import { openForge } from "../access/forge.ts";
import { refusal } from "../support/refusal.ts";
import { OrderState, stockOf, testMesh, type TestMesh } from "../support/mesh.ts";
import { eventually } from "../support/until.ts";

let mesh: TestMesh;
let db: pg.Client;
/** As the customer who bought. */
let ada: ReturnType<typeof createClient<typeof ReturnsService>>;

beforeAll(async () => {
  mesh = await testMesh({ ORDERMESH_AUDIT_GRACE_MS: "300", ORDERMESH_AUDIT_EVERY_MS: "100", ORDERMESH_RETURN_DAYS: "14" });
  db = new pg.Client({ connectionString: mesh.databaseUrl });
  await db.connect();
  const { sign } = await openForge(mesh);
  const claims = { sub: "ada", client_id: "shop", roles: ["customer"], scope: "orders:read orders:write" };
  const token = () => sign({ claims });
  const transport = createConnectTransport({ baseUrl: mesh.rpcUrl, httpVersion: "2", interceptors: [bearer(token)] });
  ada = createClient(ReturnsService, transport);
});
afterAll(async () => {
  await db.end();
  await mesh.close();
});

const operator = () => mesh.client(ReturnsService);
const paymentOf = async (orderId: string) => (await mesh.client(PaymentsService).getPayment({ orderId })).payment;
const refundedOf = async (orderId: string) => (await paymentOf(orderId))?.refunded?.minorUnits;

/** 3 units of 10 EUR each, at the door. */
async function delivered(sku: string) {
  await mesh.product(sku, { stock: 10 });
  const { orderId } = await mesh.place({ items: [{ sku, quantity: 3n }] });
  return { sku, order: await mesh.reached(orderId, OrderState.DELIVERED), orderId };
}

/** What orders has told of its returns. */
async function toldOf(orderId: string): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(
    "select split_part(type_name, '.', 5) as name from orders.outbox where key = $1 and type_name ~ 'Return|Exchange' order by sequence",
    [orderId],
  );
  return rows.map(({ name }) => name);
}

let requests = 0;
async function requested({ orderId, sku }: { orderId: string; sku: string }, quantity: bigint) {
  const wish = { orderId, lines: [{ sku, quantity }], requestId: `return-${++requests}`, words: "too small" };
  return (await ada.requestReturn(wish)).return?.returnId ?? "";
}

test("two of three come back, one of them to be sold again: paid back and booked in once, by ten who say so at once", async () => {
  const about = await delivered("BACK");
  const { orderId, sku } = about;
  const returnId = await requested(about, 2n);
  expect((await operator().listReturns({ state: ReturnState.REQUESTED })).returns.map((one) => one.returnId)).toContain(returnId);
  const receive = { orderId, returnId, lines: [{ sku, accepted: 2n, restocked: 1n }] };
  expect(await refusal(operator().receiveReturn(receive))).toMatchObject({ reason: "RETURN_NOT_APPROVED" });
  await Promise.all([1, 2].map(() => operator().approveReturn({ orderId, returnId })));
  const answers = await Promise.all(Array.from({ length: 10 }, () => operator().receiveReturn(receive)));
  for (const { return: back } of answers) {
    expect(back).toMatchObject({ state: ReturnState.RECEIVED, refund: { minorUnits: 2000n }, words: "too small" });
  }
  await eventually(async () => expect(await refundedOf(orderId)).toBe(2000n));
  await eventually(async () => expect(await stockOf(mesh, sku)).toMatchObject({ onHand: 8, reserved: 0, moved: 8 }));
  // With other units it would be another return.
  const other = operator().receiveReturn({ ...receive, lines: [{ sku, accepted: 1n, restocked: 1n }] });
  expect(await refusal(other)).toMatchObject({ reason: "RETURN_CLOSED" });
  // One unit is left, and sending is paid back once.
  expect(await refusal(requested(about, 2n))).toMatchObject({ reason: "NOTHING_TO_RETURN" });
  const last = await requested(about, 1n);
  await operator().approveReturn({ orderId, returnId: last });
  const rest = { orderId, returnId: last, lines: [{ sku, accepted: 1n, restocked: 0n }], refundShipping: true };
  await operator().receiveReturn(rest);
  await eventually(async () => expect((await paymentOf(orderId))?.refunded).toEqual(about.order.total));
  expect((await ada.listOrderReturns({ orderId })).returns.map(({ state }) => state)).toEqual([
    ReturnState.RECEIVED,
    ReturnState.RECEIVED,
  ]);
});

test("what is rejected can be asked for again, and what an operator has refunded by hand is not paid twice", async () => {
  const about = await delivered("HAND");
  const { orderId, sku, order } = about;
  const first = await requested(about, 3n);
  await operator().rejectReturn({ orderId, returnId: first, words: "it was worn" });
  const returnId = await requested(about, 3n);
  await operator().approveReturn({ orderId, returnId });
  const all = Number(order.total?.minorUnits ?? 0n);
  const amount = { currencyCode: "EUR", minorUnits: BigInt(all - 1000) };
  await mesh.client(PaymentsService).refundPayment({ orderId, amount, reason: "goodwill", requestId: "hand-1" });
  await operator().receiveReturn({ orderId, returnId, lines: [{ sku, accepted: 3n, restocked: 3n }] });
  await eventually(async () => expect(await refundedOf(orderId)).toBe(BigInt(all)));
  const { rows } = await db.query(
    "select amount_minor_units as amount, wanted_minor_units as wanted from payments.return_refund where return_id = $1",
    [returnId],
  );
  expect(rows).toEqual([{ amount: 1000, wanted: 3000 }]);
  expect(await toldOf(orderId)).toEqual(["ReturnRejected", "ReturnApproved", "ReturnReceived"]);
});

test("too late for a customer is not too late for an operator, and before it is there for nobody", async () => {
  const about = await delivered("LATE");
  const { orderId, sku } = about;
  await db.query("update orders.order_timeline set time = time - interval '15 days' where order_id = $1", [orderId]);
  expect(await refusal(requested(about, 1n))).toMatchObject({ reason: "RETURN_TOO_LATE" });
  const lines = [{ sku, quantity: 1n }];
  const request = { orderId, lines, requestId: "late-1" };
  const [{ return: back }, { return: again }] = await Promise.all([
    operator().requestReturn(request),
    operator().requestReturn(request),
  ]);
  expect(again?.returnId).toBe(back?.returnId);
  const reused = operator().requestReturn({ ...request, words: "other" });
  expect(await refusal(reused)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  const fresh = await mesh.place({ items: lines });
  expect(await refusal(operator().requestReturn({ ...request, orderId: fresh.orderId }))).toMatchObject({
    reason: "ORDER_NOT_DELIVERED",
  });
  await mesh.reached(fresh.orderId, OrderState.DELIVERED);
});

test("something else instead: an order of its own once something was accepted, and each knows of the other", async () => {
  const about = await delivered("SWAP");
  const { orderId, sku } = about;
  await mesh.product("SWAP-L", { stock: 5, minorUnits: 1500 });
  const ask = async (requestId: string, items: { sku: string; quantity: bigint }[]) => {
    const exchange = { items, paymentToken: "tok_success" };
    const lines = [{ sku, quantity: 1n }];
    const returnId = (await ada.requestReturn({ orderId, lines, requestId, exchange })).return?.returnId ?? "";
    await operator().approveReturn({ orderId, returnId });
    return returnId;
  };
  const receive = (returnId: string, accepted: bigint) =>
    operator().receiveReturn({ orderId, returnId, lines: [{ sku, accepted, restocked: accepted }] });
  const exchangeOf = async (returnId: string) =>
    (await ada.listOrderReturns({ orderId })).returns.find((one) => one.returnId === returnId)?.exchange;

  const larger = await ask("swap-1", [{ sku: "SWAP-L", quantity: 1n }]);
  expect((await exchangeOf(larger))?.state).toBe(ExchangeState.WAITING);
  await Promise.all([receive(larger, 1n), receive(larger, 1n)]);
  await eventually(async () => expect((await exchangeOf(larger))?.state).toBe(ExchangeState.PLACED));
  const instead = await mesh.reached((await exchangeOf(larger))?.orderId ?? "", OrderState.DELIVERED);
  expect(instead).toMatchObject({ customerId: "ada", exchangeOfReturnId: larger, subtotal: { minorUnits: 1500n } });
  await eventually(async () => expect(await refundedOf(orderId)).toBe(1000n));

  const worn = await ask("swap-2", [{ sku: "SWAP-L", quantity: 1n }]);
  await receive(worn, 0n);
  expect(await exchangeOf(worn)).toMatchObject({ state: ExchangeState.REFUSED, reason: "NOTHING_ACCEPTED", orderId: "" });
  const short = await ask("swap-3", [{ sku: "SWAP-L", quantity: 99n }]);
  await receive(short, 1n);
  await eventually(async () =>
    expect(await exchangeOf(short)).toMatchObject({ state: ExchangeState.REFUSED, reason: "STOCK_UNAVAILABLE" }),
  );
  const { rows } = await db.query("select from orders.order_return where exchange_token <> ''");
  expect(rows).toEqual([]);
  const ofOne = ["ReturnApproved", "ReturnReceived"];
  expect(await toldOf(orderId)).toEqual([...ofOne, "ExchangePlaced", ...ofOne, ...ofOne]);
});

test("the auditor finds nothing that disagrees", async () => {
  await eventually(async () => {
    const { report } = await mesh.client(OperationsService).runAudit({});
    const seen = report?.violations.map(({ check, key, figures }) => ({ check, key, figures }));
    expect({ state: report?.state, seen }).toEqual({ state: AuditState.CLEAN, seen: [] });
  });
});
