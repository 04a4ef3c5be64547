// Orders whose time is over.
import { expect, test } from "vitest";
import { PaymentState } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { OrderState, stockOf, testMesh } from "../support/mesh.ts";
import { eventually } from "../support/until.ts";

test("fault 23: an order whose payment takes too long expires; the late money goes back and the stock is free", async () => {
  const mesh = await testMesh({ ORDERMESH_ORDER_LIFE_SECONDS: "2", ORDERMESH_SANDBOX_DELAY_MS: "4000" });
  try {
    await mesh.product("LATE", { stock: 5 });
    const { orderId } = await mesh.place({ items: [{ sku: "LATE", quantity: 5n }], paymentToken: "tok_delay" });
    expect(await mesh.reached(orderId, OrderState.CANCELLED)).toMatchObject({ cancelReason: "EXPIRED" });
    await eventually(async () => expect(await stockOf(mesh, "LATE")).toEqual({ onHand: 5, reserved: 0, moved: 5 }));
    const payments = mesh.client(PaymentsService);
    await eventually(async () => expect((await payments.getPayment({ orderId })).payment?.state).toBe(PaymentState.VOIDED));
    const order = (await mesh.orders.getOrder({ orderId })).order;
    expect(order).toMatchObject({ state: OrderState.CANCELLED, cancelReason: "EXPIRED" });
    expect(order?.timeline.map((entry) => entry.state)).toEqual([OrderState.PENDING, OrderState.CANCELLED]);
  } finally {
    await mesh.close();
  }
});
