// How long an order takes until its caller sees it ready while nothing else happens, beside the least that these servers allow.
import { createClient, type Client } from "@connectrpc/connect";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { OrderState } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { benchSkus, stockCatalogue } from "../catalogue.ts";
import { newSeries } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { openLimit } from "../limit.ts";
import { percentile, startBenchMesh } from "../mesh.ts";
import { operatorTransport } from "../../operator.ts";
import { unhurried } from "../settings.ts";

/** From placed to ready: orders, inventory or fraud, orders, payments, orders. */
const commitsOnTheWay = 5;
const ordersPerRound = 40;
/** They open connections and have code compiled. */
const warmUpOrders = 10;

interface Sample {
  answeredMs: number;
  readyMs: number;
  limitMs: number;
}

async function placeOne(orders: Client<typeof OrdersService>, customerId: string): Promise<Omit<Sample, "limitMs">> {
  const startedMs = performance.now();
  const items = [{ sku: benchSkus[0] ?? "", quantity: 1n }];
  const { order } = await orders.placeOrder({ customerId, currency: "EUR", paymentToken: "tok_success", items });
  const answeredMs = performance.now() - startedMs;
  const seen = new AbortController();
  try {
    for await (const { entry } of orders.watchOrder({ orderId: order?.orderId ?? "" }, { signal: seen.signal })) {
      if (entry?.state === OrderState.CANCELLED) throw new Error(`an order was cancelled: ${entry.reason}`);
      // Seen by whoever follows the order: the entry's own time is that of the fact which made it ready.
      if (entry?.state === OrderState.PENDING_SHIPMENT) return { answeredMs, readyMs: performance.now() - startedMs };
    }
  } finally {
    // Leaving the loop alone does not end the stream.
    seen.abort();
  }
  throw new Error("an order was never ready");
}

export const idle: Group = {
  name: "idle",
  about: `milliseconds of one order at a time, against ${commitsOnTheWay} bare commits with events between them`,
  run: async ({ repeats, say }: GroupOptions) => {
    const mesh = await startBenchMesh(unhurried);
    const limit = await openLimit(mesh.backing);
    const orders = createClient(OrdersService, operatorTransport(mesh.rpcUrl));
    const limitName = `${commitsOnTheWay} bare commits, ${commitsOnTheWay - 1} events`;
    const answered = newSeries({ name: "idle", variant: "asked → answered", unit: "ms" });
    const ready = newSeries({ name: "idle", variant: "asked → seen to be ready", unit: "ms", limitName });
    try {
      await stockCatalogue(mesh.rpcUrl);
      for (let round = 1; round <= repeats; round += 1) {
        say(`idle: round ${round} of ${repeats}`);
        const samples: Sample[] = [];
        for (let index = -warmUpOrders; index < ordersPerRound; index += 1) {
          // Interleaved, so that what else the machine does falls on both.
          const limitMs = await limit.measure(commitsOnTheWay);
          const sample = await placeOne(orders, `bench-${round}-${Math.floor(index / 10)}`);
          if (index >= 0) samples.push({ ...sample, limitMs });
        }
        const pick = (share: number, key: keyof Sample): number =>
          percentile(
            samples.map((sample) => sample[key]),
            share,
          );
        const times = (key: keyof Sample) => ({ value: pick(0.5, key), p50Ms: pick(0.5, key), p99Ms: pick(0.99, key) });
        answered.runs.push(times("answeredMs"));
        ready.runs.push({ ...times("readyMs"), limit: pick(0.5, "limitMs") });
      }
      return [answered, ready];
    } finally {
      await limit.close();
      await mesh.close();
    }
  },
};
