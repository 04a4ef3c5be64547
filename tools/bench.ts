// How long an order takes from placed to ready on an idle machine, beside the least that these servers allow.
//   npm run bench -- --orders 60
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { OrderState } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { resolveBacking } from "#runtime/backing/resolve.ts";
import { openLimit } from "./bench/limit.ts";

/** From placed to ready: orders, inventory or fraud, orders, payments, orders. */
const commitsOnTheWay = 5;
const startMsMax = 60_000;

interface Sample {
  acceptMs: number;
  readyMs: number;
  limitMs: number;
}

async function startMesh(env: Record<string, string>): Promise<{ child: ChildProcess; rpcUrl: string }> {
  const child = spawn(process.execPath, ["services/mesh.ts"], {
    env: { ...process.env, ORDERMESH_EDGE_PORT: "0", ORDERMESH_RPC_PORT: "0", ORDERMESH_LOG_LEVEL: "warn", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const untilMs = performance.now() + startMsMax;
  while (!output.includes("is ready")) {
    if (child.exitCode !== null || performance.now() > untilMs) throw new Error(`the mesh did not start:\n${output}`);
    await sleep(50);
  }
  return { child, rpcUrl: /RPC +(http:\/\/\S+)/.exec(output)?.[1] ?? "" };
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

const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((one, other) => one - other)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;

function line(name: string, values: readonly number[]): string {
  const figures = [0.5, 0.9, 0.99].map((share) => percentile(values, share).toFixed(1).padStart(9));
  return `  ${name.padEnd(34)}${figures.join("")}`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { orders: { type: "string", default: "60" } } });
  const count = Number(values.orders);
  if (!Number.isInteger(count) || count < 5 || count > 400) throw new Error("--orders takes 5 to 400: the mug's stock is 500.");
  const dataFolder = await mkdtemp(join(tmpdir(), "ordermesh-bench-"));
  await chmod(dataFolder, 0o755);
  const backing = await resolveBacking({ dataFolder, durable: true, allowContainers: false });
  const mesh = await startMesh({ DATABASE_URL: backing.databaseUrl, NATS_URL: backing.natsUrl });
  try {
    const limit = await openLimit(backing);
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
    mesh.child.kill("SIGINT");
    await once(mesh.child, "exit");
    await backing.stop();
    await rm(dataFolder, { recursive: true, force: true });
  }
}

try {
  await main();
  process.exit(0);
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
