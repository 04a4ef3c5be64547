// The whole mesh on a cluster: the leader of all events dies among the orders, and comes back.
import { expect, test } from "vitest";
import type { Order } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { eventStream } from "#runtime/events/streams.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { OrderState, stockOf, testMesh, type TestMesh } from "../support/mesh.ts";
import { natsCluster } from "../support/nats-cluster.ts";
import { eventually } from "../support/until.ts";

const ordersPerBatch = 12;
const stock = 100;

test("the events' leader dies among the orders: all are delivered, stock and money are exact", { timeout: 119_000 }, async () => {
  const cluster = await natsCluster();
  const mesh = await testMesh({ ORDERMESH_STREAM_REPLICAS: "3" }, cluster);
  try {
    await mesh.product("MUG", { stock, minorUnits: 1_250 });
    await cluster.allCurrent();
    // Each by another buyer: screening looks twice at one who orders so often.
    const place = (batch: string) =>
      Promise.all(Array.from({ length: ordersPerBatch }, (_, index) => mesh.place({ customerId: `buyer-${batch}-${index}` })));
    const before = await place("before");
    const leader = await cluster.leaderOf(eventStream);
    if (!leader) throw new Error("the stream has no leader");
    await cluster.kill(leader);
    const during = await place("during");
    await cluster.restart(leader);
    const after = await place("after");
    const placed = [...before, ...during, ...after];
    for (const { orderId } of placed) {
      await eventually(async () => expect((await mesh.orders.getOrder({ orderId })).order?.state).toBe(OrderState.DELIVERED), {
        timeoutMs: 60_000,
      });
    }
    const left = stock - placed.length;
    await eventually(async () => expect(await stockOf(mesh, "MUG")).toEqual({ onHand: left, reserved: 0, moved: left }));
    await expectPaidOnce(mesh, placed);
  } finally {
    await mesh.close();
  }
});

async function expectPaidOnce(mesh: TestMesh, orders: readonly Order[]): Promise<void> {
  const payments = mesh.client(PaymentsService);
  for (const { orderId, total } of orders) {
    const { payment } = await payments.getPayment({ orderId });
    expect(payment?.captured).toEqual(total);
    expect(payment?.refunded?.minorUnits ?? 0n).toBe(0n);
  }
}
