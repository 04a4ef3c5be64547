// Orders whose time is over.
import { afterAll, beforeAll, expect, test } from "vitest";
import { PaymentState } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { OrderState, stockOf, testMesh, type TestMesh } from "../support/mesh.ts";
import { eventually } from "../support/until.ts";

let mesh: TestMesh;
beforeAll(async () => {
  mesh = await testMesh({ ORDERMESH_ORDER_LIFE_SECONDS: "2", ORDERMESH_SANDBOX_DELAY_MS: "4000" });
});
afterAll(() => mesh.close());

const waits = { state: OrderState.PENDING, reason: "" };
const waitsForBuyer = { state: OrderState.PENDING, reason: "PAYMENT_ACTION_REQUIRED" };
const expired = { state: OrderState.CANCELLED, reason: "EXPIRED" };

test.each([
  { why: "fault 23: its payment takes too long", token: "tok_delay", way: [waits, expired] },
  { why: "its buyer does not prove itself", token: "tok_3ds", way: [waits, waitsForBuyer, expired] },
])("an order expires, $why; the money goes back and the stock is free", async ({ token, way }) => {
  const sku = token.toUpperCase().replaceAll("_", "-");
  await mesh.product(sku, { stock: 5 });
  const { orderId } = await mesh.place({ items: [{ sku, quantity: 5n }], paymentToken: token });
  expect(await mesh.reached(orderId, OrderState.CANCELLED)).toMatchObject({ cancelReason: "EXPIRED" });
  await eventually(async () => expect(await stockOf(mesh, sku)).toEqual({ onHand: 5, reserved: 0, moved: 5 }));
  const payments = mesh.client(PaymentsService);
  await eventually(async () => expect((await payments.getPayment({ orderId })).payment?.state).toBe(PaymentState.VOIDED));
  const order = (await mesh.orders.getOrder({ orderId })).order;
  expect(order).toMatchObject({ state: OrderState.CANCELLED, cancelReason: "EXPIRED" });
  expect(order?.timeline).toMatchObject(way);
});
