// How orders end other than well: stock and money are where they belong.
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AssessmentState } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { TaxRatesService } from "#gen/ordermesh/catalog/v1/tax_rates_service_pb.ts";
import { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { ReservationState } from "#gen/ordermesh/inventory/v1/stock_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { PaymentStatus } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { PaymentState } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { ShippingMethod } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { bearer } from "../../tools/bearer.ts";
import { OrderState, stockOf, testMesh, type TestMesh } from "../support/mesh.ts";
import { eventually } from "../support/until.ts";

let mesh: TestMesh;
const carrierSecret = `whsec_${Buffer.from("a secret of the tests, and no other").toString("base64")}`;

beforeAll(async () => {
  // Slow enough to cancel in between.
  mesh = await testMesh({
    ORDERMESH_CARRIER_DISPATCH_MS: "1500",
    ORDERMESH_CARRIERS: "EXPRESS=external",
    ORDERMESH_CARRIER_WEBHOOK_SECRETS: `external:demo=${carrierSecret}`,
  });
  // Before the first order: rates that change are known a while later.
  const swedish = { countryCode: "SE", taxClass: "STANDARD", rate: 2_500, name: "moms" };
  await mesh.client(TaxRatesService).putTaxRate({ rate: swedish });
});

afterAll(() => mesh.close());

const paymentState = async (orderId: string): Promise<PaymentState | undefined> =>
  (await mesh.client(PaymentsService).getPayment({ orderId })).payment?.state;

const nothingHeld = async (sku: string, onHand: number): Promise<void> =>
  eventually(async () => expect(await stockOf(mesh, sku)).toEqual({ onHand, reserved: 0, moved: onHand }));

test("a delivered order takes its stock and its money, once", async () => {
  await mesh.product("GOOD", { stock: 10 });
  const { orderId } = await mesh.place({ items: [{ sku: "GOOD", quantity: 3n }] });
  await mesh.reached(orderId, OrderState.DELIVERED);
  await nothingHeld("GOOD", 7);
  await eventually(async () => expect(await paymentState(orderId)).toBe(PaymentState.CAPTURED));
  const { payment } = await mesh.client(PaymentsService).getPayment({ orderId });
  expect(payment?.captured?.minorUnits).toBe(payment?.amount?.minorUnits);
});

test("100 repeats by REST under one Idempotency-Key are one order, and answered alike to the byte", async () => {
  await mesh.product("REPEATED", { stock: 10 });
  const items = [{ sku: "REPEATED", quantity: "1" }];
  const body = JSON.stringify({ customerId: "ada", currency: "EUR", paymentToken: "tok_success", items, note: "ring twice" });
  const headers = { "content-type": "application/json", "idempotency-key": "hundred" };
  const ask = async (): Promise<string> => {
    const answer = await mesh.fetch("/v1/orders", { method: "POST", headers, body });
    return `${answer.status} ${await answer.text()}`;
  };
  const answers = await Promise.all(Array.from({ length: 100 }, ask));
  expect(answers[0]).toMatch(/^202 /);
  expect(new Set(answers).size).toBe(1);
  const { orderId } = JSON.parse(answers[0]?.slice(4) ?? "") as { orderId: string };
  await mesh.reached(orderId, OrderState.DELIVERED);
  expect(await ask()).toBe(answers[0]);
  await nothingHeld("REPEATED", 9);
});

test.each([
  { token: "tok_declined", detail: "card_declined" },
  { token: "tok_insufficient_funds", detail: "insufficient_funds" },
])("$token cancels the order, and its stock is free again", async ({ token, detail }) => {
  const sku = `DECLINE-${detail.toUpperCase()}`;
  await mesh.product(sku, { stock: 5 });
  const { orderId } = await mesh.place({ items: [{ sku, quantity: 2n }], paymentToken: token });
  expect(await mesh.reached(orderId, OrderState.CANCELLED)).toMatchObject({
    cancelReason: "PAYMENT_DECLINED",
    cancelDetail: detail,
  });
  await nothingHeld(sku, 5);
  expect(await paymentState(orderId)).toBe(PaymentState.DECLINED);
});

test("a buyer is asked by its bank: whoever watches hears of it, and after the answer the order goes on", async () => {
  await mesh.product("3DS", { stock: 5 });
  const { orderId } = await mesh.place({ items: [{ sku: "3DS", quantity: 2n }], paymentToken: "tok_3ds" });
  for await (const { entry, order } of mesh.orders.watchOrder({ orderId })) {
    if (entry?.reason !== "PAYMENT_ACTION_REQUIRED") continue;
    expect(order).toMatchObject({ state: OrderState.PENDING, services: { payment: PaymentStatus.ACTION_REQUIRED } });
    break;
  }
  const json = async <Body>(path: string, body?: object): Promise<Body> => {
    const headers = { "content-type": "application/json" };
    const answer = await mesh.fetch(path, body && { method: "POST", headers, body: JSON.stringify(body) });
    return (await answer.json()) as Body;
  };
  const { action } = await json<{ action: { clientSecret: string } }>(`/v1/orders/${orderId}/payment`);
  await json("/v1/sandbox-challenges:answer", { clientSecret: action.clientSecret, approved: true });
  expect(await json(`/v1/orders/${orderId}/payment:resume`, {})).toMatchObject({ state: "PAYMENT_STATE_AUTHORIZED" });
  await mesh.reached(orderId, OrderState.DELIVERED);
  await nothingHeld("3DS", 3);
});

test("a rejected order holds no stock and is never charged", async () => {
  await mesh.product("FRAUD", { stock: 5 });
  const { orderId } = await mesh.place({ items: [{ sku: "FRAUD", quantity: 2n }], paymentMethodBin: "400000" });
  expect(await mesh.reached(orderId, OrderState.CANCELLED)).toMatchObject({ cancelReason: "FRAUD_REJECTED" });
  await nothingHeld("FRAUD", 5);
  await expect(mesh.client(PaymentsService).getPayment({ orderId }))
    .resolves.toMatchObject({ payment: { ledger: [] } })
    .catch(() => {});
});

test("a reviewed order waits for a person and then goes on", async () => {
  await mesh.product("DEAR", { stock: 5, minorUnits: 600_000 });
  const { orderId } = await mesh.place({ items: [{ sku: "DEAR", quantity: 1n }], customerId: "rich" });
  const fraud = mesh.client(FraudService);
  await eventually(async () => expect((await fraud.getAssessment({ orderId })).assessment?.state).toBe(AssessmentState.REVIEW));
  await fraud.decideAssessment({ orderId, decision: AssessmentState.CLEARED, note: "known customer" });
  await mesh.reached(orderId, OrderState.DELIVERED);
});

test("a cancellation before dispatch stops the parcel, gives the stock back and voids the money", async () => {
  await mesh.product("REGRET", { stock: 5 });
  const { orderId } = await mesh.place({ items: [{ sku: "REGRET", quantity: 2n }] });
  await mesh.reached(orderId, OrderState.PENDING_SHIPMENT);
  await mesh.orders.cancelOrder({ orderId, reason: "changed my mind" });
  expect(await mesh.reached(orderId, OrderState.CANCELLED)).toMatchObject({ cancelReason: "CANCELLED_BY_REQUEST" });
  await nothingHeld("REGRET", 5);
  await eventually(async () => expect(await paymentState(orderId)).toBe(PaymentState.VOIDED));
  expect((await mesh.inventory.getReservation({ orderId })).reservation?.state).toBe(ReservationState.RELEASED);
});

test("a parcel that cannot be delivered comes back, and so does the money, with nobody asking for it", async () => {
  await mesh.product("BACK", { stock: 5 });
  const { orderId } = await mesh.place({ items: [{ sku: "BACK", quantity: 2n }], shippingMethod: ShippingMethod.EXPRESS });
  await mesh.reached(orderId, OrderState.PENDING_SHIPMENT);
  let trackingNumber = "";
  await eventually(async () => {
    trackingNumber = (await mesh.orders.getOrder({ orderId })).order?.trackingNumber ?? "";
    expect(trackingNumber).not.toBe("");
  });
  const tell = async (type: string): Promise<number> => {
    const body = JSON.stringify({ type, trackingNumber, time: new Date().toISOString() });
    const [id, time] = [`msg-${type}`, new Date()];
    const signature = new Webhook(carrierSecret).sign(id, time, body);
    const timestamp = String(Math.floor(time.getTime() / 1_000));
    const headers = {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": timestamp,
      "webhook-signature": signature,
    };
    return (await fetch(`${mesh.edgeUrl}/v1/carrier-webhooks/external/demo`, { method: "POST", headers, body })).status;
  };
  expect(await tell("delivery_failed")).toBe(200);
  const shipped = await mesh.reached(orderId, OrderState.SHIPPED);
  await eventually(async () => expect(await paymentState(orderId)).toBe(PaymentState.CAPTURED));
  expect([await tell("returned_to_sender"), await tell("returned_to_sender")]).toEqual([200, 200]);
  await mesh.reached(orderId, OrderState.RETURNED);
  await eventually(async () => expect(await paymentState(orderId)).toBe(PaymentState.REFUNDED));
  const { payment } = await mesh.client(PaymentsService).getPayment({ orderId });
  expect(payment?.refunded?.minorUnits).toBe(shipped.total?.minorUnits);
  await nothingHeld("BACK", 3);
  const { report } = await mesh.client(OperationsService).runAudit({});
  expect(report?.violations.filter(({ key }) => key === orderId)).toEqual([]);
});

test("an order pays for its weight, and keeps what it has paid when an operator changes the rate", async () => {
  const prices = [{ currencyCode: "EUR", minorUnits: 1_000n }];
  const anvil = { variant: { sku: "ANVIL", prices, weightGrams: 3_000n }, initialStock: 9n };
  await mesh.client(CatalogService).createProduct({ title: "Anvil", variants: [anvil] });
  await eventually(async () => void (await mesh.inventory.getStock({ sku: "ANVIL" })));
  const put = async (path: string, body: object): Promise<number> => {
    const headers = { "content-type": "application/json" };
    return (await mesh.fetch(path, { method: "PUT", headers, body: JSON.stringify(body) })).status;
  };
  const rate = (base: string) => ({
    baseMinorUnits: base,
    unitMinorUnits: "10",
    maxMinorUnits: "9000",
    steps: [
      { toGrams: "5000", minorUnits: "0" },
      { fromGrams: "5000", minorUnits: "2000" },
    ],
  });
  const place = (quantity: bigint) =>
    mesh.place({
      items: [{ sku: "ANVIL", quantity }],
      shippingAddress: { recipient: "Ada", lines: ["1 Storgata"], city: "Oslo", countryCode: "NO" },
    });
  expect(await put("/v1/shipping-zones/nordics", { countryCodes: ["NO", "SE"] })).toBe(200);
  expect(await put("/v1/shipping-rates/nordics/EUR/STANDARD", rate("800"))).toBe(200);
  const [light, heavy] = [await place(1n), await place(2n)];
  expect([light.shippingCost?.minorUnits, heavy.shippingCost?.minorUnits]).toEqual([800n, 2_810n]);
  expect(await put("/v1/shipping-rates/nordics/EUR/STANDARD", rate("900"))).toBe(200);
  // Three are another parcel than those whose cost orders has been told.
  expect((await place(3n)).shippingCost?.minorUnits).toBe(2_920n);
  expect((await mesh.orders.getOrder({ orderId: heavy.orderId })).order).toMatchObject({ shippingCost: { minorUnits: 2_810n } });
});

test("tax on top of prices is charged, and the books of all services agree", async () => {
  await mesh.product("TAXED", { minorUnits: 999 });
  const shippingAddress = { recipient: "Ada", lines: ["1 Storgatan"], city: "Malmo", countryCode: "SE" };
  const { orderId, ...order } = await mesh.place({ items: [{ sku: "TAXED", quantity: 2n }], shippingAddress });
  const cost = order.shippingCost?.minorUnits ?? 0n;
  expect(order.items[0]?.tax).toMatchObject({ amount: { minorUnits: 500n }, name: "moms" });
  expect(order.total?.minorUnits).toBe(1_998n + cost + (order.tax?.minorUnits ?? 0n));
  await mesh.reached(orderId, OrderState.DELIVERED);
  await eventually(async () => expect(await paymentState(orderId)).toBe(PaymentState.CAPTURED));
  const { payment } = await mesh.client(PaymentsService).getPayment({ orderId });
  expect(payment?.captured).toEqual(order.total);
  const { report } = await mesh.client(OperationsService).runAudit({});
  expect(report?.violations.filter(({ key }) => key === orderId)).toEqual([]);
});

test("a shipped order can no longer be cancelled", async () => {
  await mesh.product("GONE", { stock: 5 });
  const { orderId } = await mesh.place({ items: [{ sku: "GONE", quantity: 1n }] });
  await mesh.reached(orderId, OrderState.DELIVERED);
  const error = await mesh.orders.cancelOrder({ orderId }).catch((caught: unknown) => caught);
  expect(reasonOf(error)).toBe("ORDER_ALREADY_DISPATCHED");
});

test("200 buyers ask at once for the last unit: one gets it, the others are refused or cancelled by name", async () => {
  await mesh.product("LAST", { stock: 1 });
  const transports = Array.from({ length: 8 }, () =>
    createGrpcTransport({ baseUrl: mesh.rpcUrl, interceptors: [bearer(mesh.token)] }),
  );
  const attempts = await Promise.allSettled(
    Array.from({ length: 200 }, (_, index) =>
      createClient(OrdersService, transports[index % 8] as ReturnType<typeof createGrpcTransport>).placeOrder({
        customerId: `buyer-${index}`,
        currency: "EUR",
        paymentToken: "tok_success",
        items: [{ sku: "LAST", quantity: 1n }],
      }),
    ),
  );
  const refused = attempts.flatMap((attempt) => (attempt.status === "rejected" ? [attempt.reason as unknown] : []));
  for (const error of refused) {
    expect(error).toBeInstanceOf(ConnectError);
    expect([reasonOf(error), (error as ConnectError).code]).toEqual(["STOCK_UNAVAILABLE", Code.Aborted]);
  }
  const placed = attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value.order?.orderId ?? ""] : []));
  const ended = await Promise.all(
    placed.map(async (orderId) => {
      let order = (await mesh.orders.getOrder({ orderId })).order;
      await eventually(async () => {
        order = (await mesh.orders.getOrder({ orderId })).order;
        expect([OrderState.DELIVERED, OrderState.CANCELLED]).toContain(order?.state);
      });
      return order;
    }),
  );
  const fates = Map.groupBy(ended, (order) => (order?.state === OrderState.DELIVERED ? "delivered" : order?.cancelReason));
  expect(Object.fromEntries([...fates].map(([fate, orders]) => [fate, orders.length]))).toEqual({
    delivered: 1,
    ...(ended.length > 1 ? { OUT_OF_STOCK: ended.length - 1 } : {}),
  });
  expect(ended.length + refused.length).toBe(200);
  await nothingHeld("LAST", 0);
});
