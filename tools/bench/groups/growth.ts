// What a million orders in the tables cost: the same load beside a mesh that has ten thousand.
import { openBacklog, type Backlog } from "../backlog.ts";
import { benchSkus, stockCatalogue } from "../catalogue.ts";
import { newSeries, runLine, type Run } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { runLoad, runWatchedLoad } from "../load.ts";
import { startBenchServers, startMeshOn, type BenchServers, type MeshProcess } from "../mesh.ts";
import { multiplyOrders } from "../multiply-orders.ts";
import { callers, unbounded, underWayMax, unhurried, warmUpSeconds } from "../settings.ts";

const sizes = { few: 10_000, many: 1_000_000 };
/** Placed, and then copied. */
const originalsSeconds = 5;
/** Without operations: its auditor would rightly say that the copies have no events. */
const args = ["--only", "catalog,identity,inventory,orders,payments,fraud,shipping"];

interface Place {
  servers: BenchServers;
  mesh: MeshProcess;
  backlog: Backlog;
  orders: number;
}

async function openPlace(ordersMin: number, say: GroupOptions["say"]): Promise<Place> {
  const servers = await startBenchServers();
  const mesh = await startMeshOn(servers.backing, { env: { ...unhurried, ...unbounded }, args });
  const backlog = await openBacklog(servers.backing);
  await stockCatalogue(mesh.rpcUrl);
  const pace = { kind: "closed", callers } as const;
  await runLoad({ urls: [mesh.rpcUrl], protocol: "Connect", pace, skus: benchSkus, seconds: originalsSeconds });
  await backlog.settle();
  const orders = await multiplyOrders(servers.backing.databaseUrl, ordersMin, (progress) => say(`growth: ${progress}`));
  return { servers, mesh, backlog, orders };
}

async function closePlace({ servers, mesh, backlog }: Place): Promise<void> {
  await backlog.close();
  await mesh.stop();
  await servers.close();
}

async function measureAccept({ mesh, backlog }: Place, seconds: number): Promise<Run> {
  const pace = { kind: "closed", callers } as const;
  const load = await runLoad({ urls: [mesh.rpcUrl], protocol: "Connect", pace, warmUpSeconds, seconds, skus: benchSkus });
  await backlog.settle();
  return { value: load.accepted / load.seconds, p50Ms: load.p50Ms, p99Ms: load.p99Ms, errors: load.errors };
}

async function measureFlow({ mesh, backlog }: Place, seconds: number): Promise<Run> {
  const pace = { kind: "closed", callers } as const;
  const load = await runWatchedLoad(
    { urls: [mesh.rpcUrl], protocol: "Connect", pace, warmUpSeconds, seconds: seconds * 2, skus: benchSkus },
    { underWay: backlog.pending, underWayMax },
  );
  await backlog.settle();
  return { value: load.ready / load.watchedSeconds, errors: load.errors };
}

export const growth: Group = {
  name: "growth",
  about: `the rate with ${sizes.many.toLocaleString("en-US")} orders in the tables, beside ${sizes.few.toLocaleString("en-US")}`,
  run: async ({ seconds, repeats, say }: GroupOptions) => {
    const few = await openPlace(sizes.few, say);
    const many = await openPlace(sizes.many, say).catch(async (error: unknown) => {
      await closePlace(few);
      throw error;
    });
    const limitName = `with ${few.orders.toLocaleString("en-US")} orders`;
    const about = { name: "growth", unit: "orders/s", limitName };
    const series = [
      { measure: measureAccept, into: newSeries({ ...about, variant: `accept, ${many.orders.toLocaleString("en-US")} orders` }) },
      { measure: measureFlow, into: newSeries({ ...about, variant: `flow, ${many.orders.toLocaleString("en-US")} orders` }) },
    ];
    try {
      for (let round = 1; round <= repeats; round += 1) {
        for (const { measure, into } of series) {
          const limit = await measure(few, seconds);
          const run = await measure(many, seconds);
          into.runs.push({ ...run, limit: limit.value, errors: { ...limit.errors, ...run.errors } });
          say(`growth: round ${round} of ${repeats}, ${into.variant}: ${runLine({ ...run, limit: limit.value })}`);
        }
      }
      return series.map(({ into }) => into);
    } finally {
      await closePlace(many);
      await closePlace(few);
    }
  },
};
