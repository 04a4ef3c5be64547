// An installation whose own tenant is not the demonstration's: made ready as every other.
import { afterAll, beforeAll, expect, test } from "vitest";
import { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { OrderState, testMesh, type TestMesh } from "../support/mesh.ts";
import { eventually } from "../support/until.ts";

let mesh: TestMesh;
beforeAll(async () => {
  mesh = await testMesh({ ORDERMESH_TENANT: "the-shop" });
  await mesh.product("MUG");
});
afterAll(() => mesh.close());

test("it is in the list of tenants, has rules and rates, and its orders arrive", async () => {
  const answer = await mesh.fetch("/v1/tenants");
  expect(await answer.json()).toMatchObject({ tenants: [{ tenantId: "the-shop" }] });
  await eventually(async () => expect((await mesh.client(FraudService).listRules({})).rules).toHaveLength(7));
  // Until shipping has heard of the shop, which takes a moment, an order is refused.
  await eventually(async () => {
    const { orderId } = await mesh.place();
    await mesh.reached(orderId, OrderState.DELIVERED);
  });
  const { orderId } = await mesh.place({ paymentMethodBin: "400000" });
  expect((await mesh.reached(orderId, OrderState.CANCELLED)).cancelReason).not.toBe(0);
});
