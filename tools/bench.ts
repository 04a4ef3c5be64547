// How long an order takes from placed to ready on an idle machine, beside the least that these servers allow.
//   npm run bench -- --orders 60
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { OrderState } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { openLimit } from "./bench/limit.ts";
import { percentile, startBenchMesh } from "./bench/mesh.ts";
import { runBenchmark } from "./bench/program.ts";

/** From placed to ready: orders, inventory or fraud, orders, payments, orders. */
const commitsOnTheWay = 5;

interface Sample {
  acceptMs: number;
  readyMs: number;
  limitMs: number;
}

async function placeOne(orders: Client<typeof OrdersService>, customerId: string): Promise<Omit<Sample, "limitMs">> {
  const startedMs = performance.now();
  const items = [{ sku: "MUG-BLUE", quantity: 1n }];
  const { order } = await orders.placeOrder({ customerId, currency: "EUR", paymentToken: "tok_success", items });
  const acceptMs = performance.now() - startedMs;
  const seen = new AbortController();
  try {
    for await (const { entry } of orders.watchOrder({ orderId: order?.orderId ?? "" }, { signal: seen.signal })) {
      if (entry?.state === OrderState.CANCELLED) throw new Error(`an order was cancelled: ${entry.reason}`);
      if (entry?.state !== OrderState.PENDING_SHIPMENT || !entry.time || !order?.createTime) continue;
      return { acceptMs, readyMs: timestampMs(entry.time) - timestampMs(order.createTime) };
    }
  } finally {
    // Leaving the loop alone does not end the stream.
    seen.abort();
  }
  throw new Error("an order was never ready");
}

function line(name: string, values: readonly number[]): string {
  const figures = [0.5, 0.9, 0.99].map((share) => percentile(values, share).toFixed(1).padStart(9));
  return `  ${name.padEnd(34)}${figures.join("")}`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { orders: { type: "string", default: "60" } } });
  const count = Number(values.orders);
  if (!Number.isInteger(count) || count < 5 || count > 400) throw new Error("--orders takes 5 to 400: the mug's stock is 500.");
  const mesh = await startBenchMesh({ ORDERMESH_LOG_LEVEL: "warn" });
  try {
    const limit = await openLimit(mesh.backing);
    const orders = createClient(OrdersService, createConnectTransport({ baseUrl: mesh.rpcUrl, httpVersion: "2" }));
    const samples: Sample[] = [];
    for (let index = -5; index < count; index += 1) {
      // Interleaved, so that what else the machine does falls on both.
      const limitMs = await limit.measure(commitsOnTheWay);
      const sample = await placeOne(orders, `bench-${Math.floor(index / 10)}`);
      // The first ones warm up.
      if (index >= 0) samples.push({ ...sample, limitMs });
    }
    await limit.close();
    const pick = (key: keyof Sample): number[] => samples.map((sample) => sample[key]);
    const ratio = percentile(pick("readyMs"), 0.5) / percentile(pick("limitMs"), 0.5);
    console.log(
      [
        `${count} orders, one at a time, fsync on, ${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown processor"}, Node ${process.version}`,
        `  ${"milliseconds".padEnd(34)}   median      p90      p99`,
        line("asked → accepted", pick("acceptMs")),
        line("placed → ready", pick("readyMs")),
        line(`limit: ${commitsOnTheWay} bare commits, 4 events`, pick("limitMs")),
        `  placed → ready is ${ratio.toFixed(1)} times its limit`,
      ].join("\n"),
    );
  } finally {
    await mesh.close();
  }
}

await runBenchmark(main);
