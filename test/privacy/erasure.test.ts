// A person is erased while orders of all fates are in the books: no table of any service names it afterwards, and the books agree.
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CustomerState, ErasureReason, ErasureState } from "#gen/ordermesh/customers/v1/customer_pb.ts";
import { CustomersService } from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { AssessmentState } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { AdminService } from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { AuditState } from "#gen/ordermesh/operations/v1/audit_report_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { bearer } from "../../tools/bearer.ts";
import { auditBench, patience, type AuditBench } from "../operations/audit-bench.ts";
import { OrderState, type TestMesh } from "../support/mesh.ts";
import { refusal } from "../support/refusal.ts";
import { eventually as eventuallyWithin } from "../support/until.ts";
import { findTraces, person } from "./marked-person.ts";

let bench: AuditBench;
let mesh: TestMesh;
let customerId: string;
let token: string;
const orders = { delivered: "", cancelled: "", stopped: "", review: "" };

const eventually = (assert: () => Promise<void>): Promise<void> => eventuallyWithin(assert, patience);
const asCustomer = () => createConnectTransport({ baseUrl: mesh.rpcUrl, httpVersion: "2", interceptors: [bearer(token)] });
const scopes = ["orders:read", "orders:write", "customers:read", "customers:write", "identity:write"];
const signIn = { clientId: "shop", login: person.login, password: person.password };

async function place(sku: string): Promise<string> {
  const { address: shippingAddress, fingerprint: deviceFingerprint } = person;
  const basket = { customerId, currency: "EUR", paymentToken: "tok_success", items: [{ sku, quantity: 1n }], note: person.words };
  const told = { shippingAddress, deviceFingerprint, customerEmail: person.profile.email };
  const { order } = await createClient(OrdersService, asCustomer()).placeOrder({ ...basket, ...told });
  return order?.orderId ?? "";
}

beforeAll(async () => {
  bench = await auditBench({ ORDERMESH_CARRIER_DISPATCH_MS: "1500" });
  ({ mesh } = bench);
  await mesh.product("MUG");
  await mesh.product("CASTLE", { minorUnits: 600_000 });
  const device = { case: "device", value: { fingerprint: person.fingerprint } } as const;
  await mesh.client(FraudService).createRule({ rule: { description: "seen before", weight: 1, condition: device } });
  const shop = { clientId: "shop", title: "Shop", public: true, roles: ["customer"], scopes };
  await mesh.client(AdminService).createClient(shop);
  const identity = mesh.client(IdentityService);
  ({ customerId } = await identity.registerAccount(signIn));
  token = (await identity.signIn(signIn)).accessToken;
  const customers = createClient(CustomersService, asCustomer());
  await eventually(async () => void (await customers.getCustomer({ customerId })));
  await customers.updateCustomer({ customerId, profile: person.profile });
  await customers.createAddress({ customerId, label: person.label, address: person.address, requestId: "home" });
  await customers.recordConsent({ customerId, purpose: person.purpose, granted: true, textVersion: person.textVersion });
  orders.stopped = await place("MUG");
  await mesh.reached(orders.stopped, OrderState.PENDING_SHIPMENT);
  await createClient(OrdersService, asCustomer()).cancelOrder({ orderId: orders.stopped, reason: person.words });
  orders.delivered = await place("MUG");
  orders.cancelled = await place("CASTLE");
  orders.review = await place("CASTLE");
  await createClient(OrdersService, asCustomer()).cancelOrder({ orderId: orders.cancelled, reason: person.words });
  await mesh.reached(orders.delivered, OrderState.DELIVERED);
  await mesh.reached(orders.stopped, OrderState.CANCELLED);
  const payments = mesh.client(PaymentsService);
  const amount = { currencyCode: "EUR", minorUnits: 100n };
  await eventually(
    async () =>
      void (await payments.refundPayment({ orderId: orders.delivered, amount, reason: person.words, requestId: "r-1" })),
  );
}, 90_000);
afterAll(() => bench?.close());

test("by REST the body is the profile, and the address says which of its fields are taken", async () => {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const change = (query: string, body: object): Promise<Response> =>
    fetch(`${mesh.edgeUrl}/v1/customers/${customerId}${query}`, { method: "PATCH", headers, body: JSON.stringify(body) });
  const changed = await change("?updateMask=locale,phone", { phone: person.profile.phone, givenName: "ignored" });
  expect(changed.status).toBe(200);
  const answer = (await changed.json()) as { profile: Record<string, string>; etag: string };
  expect(answer.profile).toMatchObject({ givenName: person.profile.givenName, phone: person.profile.phone });
  expect(answer.profile["locale"] ?? "").toBe("");
  const stale = await change(`?etag=${encodeURIComponent('"1"')}`, { locale: "de-AT" });
  expect([stale.status, (await stale.json()) as object]).toMatchObject([409, { details: [{ reason: "ETAG_MISMATCH" }] }]);
  expect((await change(`?etag=${encodeURIComponent(answer.etag)}`, { locale: "de-AT" })).status).toBe(200);
  const others = await fetch(`${mesh.edgeUrl}/v1/customers/ada`, { headers });
  expect(others.status).toBe(403);
});

test("everything that is kept about a person is shown to it, without secrets", async () => {
  const answer = await fetch(`${mesh.edgeUrl}/v1/customers/${customerId}:export`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(answer.status).toBe(200);
  const text = await answer.text();
  const records = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { service: string; kind: string; id: string; content: object });
  const counts = Object.fromEntries(
    [...Map.groupBy(records, ({ service, kind }) => `${service} ${kind}`)].map(([name, own]) => [name, own.length]),
  );
  expect(counts).toMatchObject({
    "customers customer": 1,
    "customers address": 1,
    "customers consent": 1,
    "identity account": 1,
    "identity session": 1,
    "orders order": 4,
    "payments payment": 2,
    "shipping shipment": 3,
    "fraud assessment": 4,
  });
  const { profile, address, login, textVersion, words } = person;
  for (const known of [profile.displayName, profile.phone, address.recipient, login, textVersion, words])
    expect(text).toContain(known);
  expect(text).not.toMatch(/scrypt|tok_success|password/);
  const own = new Set<string>(Object.values(orders));
  expect(
    records
      .filter(({ kind }) => kind === "order")
      .map(({ id }) => id)
      .toSorted(),
  ).toEqual([...own].toSorted());
});

test("screening has seen what the buyer told it", async () => {
  const { assessment } = await mesh.client(FraudService).getAssessment({ orderId: orders.delivered });
  const { email } = person.profile;
  expect(assessment?.facts).toMatchObject({ email, deviceFingerprint: person.fingerprint, countryCode: "DE", units: 1n });
});

test("the search finds what is there before", async () => {
  const found = await findTraces(mesh.databaseUrl);
  expect(found.map((line) => line.split(" ")[0])).toEqual([
    "customers.address",
    "customers.consent",
    "customers.customer",
    "fraud.assessment",
    "identity.account",
    "orders.orders",
    "payments.refund",
    "shipping.shipment",
  ]);
});

test("the customer erases itself; its tokens end within a second, its login is free, and one order under way is waited for", async () => {
  const request = { customerId, reason: ErasureReason.CONSENT_WITHDRAWN };
  const customer = createClient(CustomersService, asCustomer());
  const operator = mesh.client(CustomersService);
  const startedMs = performance.now();
  const [own, other] = await Promise.all([customer.eraseCustomer(request), operator.eraseCustomer(request)]);
  expect(own.erasure?.requestTime).toEqual(other.erasure?.requestTime);
  await eventually(async () =>
    expect(await refusal(customer.getCustomer({ customerId }))).toMatchObject({ reason: "TOKEN_REVOKED" }),
  );
  const tookMs = performance.now() - startedMs;
  console.log(`tokens were refused ${tookMs.toFixed(0)} ms after the erasure was asked for`);
  expect(tookMs).toBeLessThan(5_000);
  const identity = mesh.client(IdentityService);
  expect(await refusal(identity.signIn(signIn))).toMatchObject({ reason: "INVALID_GRANT" });
  expect(await refusal(identity.registerAccount({ ...signIn, customerId }))).toMatchObject({ reason: "CUSTOMER_ERASED" });
  expect((await operator.getCustomer({ customerId })).customer).toMatchObject({ customerId, state: CustomerState.ERASED });
  expect(await refusal(operator.updateCustomer({ ...request, profile: person.profile, allowMissing: true }))).toMatchObject({
    reason: "CUSTOMER_ERASED",
  });
  await eventually(async () => {
    const { erasure } = await operator.getErasure({ customerId });
    expect(erasure).toMatchObject({
      state: ErasureState.PENDING,
      waitsFor: [{ service: "orders", kind: "order", id: orders.review, reason: "PENDING" }],
    });
  });
  expect(await findTraces(mesh.databaseUrl)).toEqual(["fraud.assessment 1", "orders.orders 1"]);
});

test("an order that is placed for it too late is accepted, and names nobody once it is final", async () => {
  const basket = { customerId, shippingAddress: person.address, deviceFingerprint: person.fingerprint };
  const late = await mesh.place(basket);
  await mesh.reached(late.orderId, OrderState.DELIVERED);
  await eventually(async () => {
    const { order } = await mesh.orders.getOrder({ orderId: late.orderId });
    expect(order?.shippingAddress).toBeUndefined();
  });
});

test("once the order under way is delivered no table names the person, and the erasure is done", async () => {
  const decision = { orderId: orders.review, decision: AssessmentState.CLEARED, decidedBy: "olga", note: person.words };
  await mesh.client(FraudService).decideAssessment(decision);
  const review = await mesh.reached(orders.review, OrderState.DELIVERED);
  expect(review.timeline.map(({ state }) => state)).toEqual([
    OrderState.PENDING,
    OrderState.PENDING_SHIPMENT,
    OrderState.SHIPPED,
    OrderState.DELIVERED,
  ]);
  const customers = mesh.client(CustomersService);
  await eventually(async () => {
    const { erasure } = await customers.getErasure({ customerId });
    expect(erasure).toMatchObject({ state: ErasureState.DONE, waitsFor: [] });
  });
  expect(await findTraces(mesh.databaseUrl)).toEqual([]);
  const again = await customers.eraseCustomer({ customerId, reason: ErasureReason.OBJECTION });
  expect(again.erasure).toMatchObject({ state: ErasureState.DONE, reason: ErasureReason.CONSENT_WITHDRAWN });
});

test("what was sold, for how much and how it went is there as before; a refund afterwards keeps no words", async () => {
  const { order } = await mesh.orders.getOrder({ orderId: orders.delivered });
  expect(order).toMatchObject({ customerId, state: OrderState.DELIVERED, items: [{ sku: "MUG", quantity: 1n }] });
  const amount = { currencyCode: "EUR", minorUnits: 100n };
  const refund = { orderId: orders.delivered, amount, reason: person.words, requestId: "r-2" };
  const { payment } = await mesh.client(PaymentsService).refundPayment(refund);
  expect(payment?.ledger.length).toBeGreaterThanOrEqual(3);
  expect(await findTraces(mesh.databaseUrl)).toEqual([]);
});

test("the books of all services agree", async () => {
  await eventually(async () => {
    const { state, violations, checks, suspects } = await bench.runAudit();
    const problems = checks.filter(({ problem }) => problem !== "").map(({ check, problem }) => `${check}: ${problem}`);
    const seen = violations.map(({ check, key, figures }) => ({ check, key, figures }));
    expect({ state, seen, problems, suspects }).toEqual({ state: AuditState.CLEAN, seen: [], problems: [], suspects: 0n });
  });
});

test("the login is free for a new account, which is another customer", async () => {
  const fresh = await mesh.client(IdentityService).registerAccount(signIn);
  expect(fresh.customerId).not.toBe(customerId);
});
