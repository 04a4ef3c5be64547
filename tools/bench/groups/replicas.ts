// Three replicas of orders and of inventory beside one of each: what an order costs, and who takes over when one dies.
import { askAuditor } from "../../faults/auditor.ts";
import { killAndAwaitHeirs, startApart, type Apart } from "../apart.ts";
import { openBacklog, type Backlog } from "../backlog.ts";
import { benchSkus, stockCatalogue } from "../catalogue.ts";
import { cpuMsOf } from "../cpu.ts";
import { newSeries, runLine, type Run } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { runLoad, runWatchedLoad } from "../load.ts";
import { startBenchServers } from "../mesh.ts";
import { callers, underWayMax, warmUpSeconds } from "../settings.ts";

const replicasMany = 3;
/** While a replica dies. */
const perSecondMeanwhile = 5;

/** Orders a second, and the processor time of all processes of the mesh for each, in milliseconds; under so many times full load. */
async function measureCost(apart: Apart, backlog: Backlog, { seconds, loads }: { seconds: number; loads: number }) {
  const pace = { kind: "closed", callers: callers * loads } as const;
  const options = { urls: apart.ordersUrls, identityUrl: apart.restUrl, protocol: "Connect", pace, skus: benchSkus } as const;
  const watch = { underWay: backlog.pending, underWayMax: underWayMax * loads };
  await runWatchedLoad({ ...options, seconds: warmUpSeconds }, watch);
  await backlog.settle();
  const before = await cpuMsOf(apart.pids);
  const load = await runWatchedLoad({ ...options, seconds: seconds * 2 }, watch);
  await backlog.settle();
  const after = await cpuMsOf(apart.pids);
  const costMs = before === undefined || after === undefined ? Number.NaN : (after - before) / load.accepted;
  return { costMs, perSecond: load.ready / load.watchedSeconds, errors: load.errors };
}

/** One replica of each dies under load: everything it held has another holder, every order is ready, the books are right. */
async function measureDeath(apart: Apart, backlog: Backlog, seconds: number): Promise<{ orders: Run; inventory: Run }> {
  const before = await backlog.newestOrder();
  const urls = apart.ordersUrls.slice(1);
  const pace = { kind: "open", perSecond: perSecondMeanwhile } as const;
  const loading = runLoad({ urls, protocol: "Connect", pace, skus: benchSkus, seconds: seconds * 2 + warmUpSeconds });
  const [victim, other] = [apart.orders[0], apart.inventory[0]];
  if (!victim || !other) throw new Error("there is no replica to be killed");
  const ordersMs = await killAndAwaitHeirs(backlog.db, "orders", victim);
  const inventoryMs = await killAndAwaitHeirs(backlog.db, "inventory", other);
  const load = await loading;
  await backlog.settle();
  const { count } = await backlog.timesSince(before);
  const { state } = await askAuditor(apart.edgeUrl, AbortSignal.timeout(120_000));
  const errors = {
    ...load.errors,
    ...(count === load.accepted ? {} : { "orders accepted but not ready": load.accepted - count }),
    ...(state === "CLEAN" ? {} : { [`the auditor says ${state}`]: 1 }),
  };
  return { orders: { value: ordersMs, errors }, inventory: { value: inventoryMs, errors } };
}

export const replicas: Group = {
  name: "replicas",
  about: `what an order costs with ${replicasMany} replicas of orders and inventory, and how soon others take over from one`,
  run: async ({ seconds, repeats, say }: GroupOptions) => {
    const servers = await startBenchServers();
    const backlog = await openBacklog(servers.backing);
    const about = { name: "replicas", limitName: "one replica of each" };
    // Replicas are for more load: what they cost shows where each has as much as the one had.
    const costOf = (load: string) => newSeries({ ...about, variant: `processor time of an order, ${load}`, unit: "ms" });
    const paceOf = (load: string) => newSeries({ ...about, variant: `placed → ready, sustained, ${load}`, unit: "orders/s" });
    const loads = [
      { factor: replicasMany, cost: costOf("as much for each"), pace: paceOf("as much for each") },
      { factor: 1, cost: costOf("as much for all"), pace: paceOf("as much for all") },
    ];
    const takenOver = (service: string) =>
      newSeries({ name: "replicas", variant: `${service}: killed → all taken over`, unit: "ms" });
    const [orders, inventory] = [takenOver("orders"), takenOver("inventory")];
    let isStocked = false;
    const withReplicas = async <Result>(count: number, work: (apart: Apart) => Promise<Result>): Promise<Result> => {
      const apart = await startApart(servers.backing, count);
      try {
        if (!isStocked) await stockCatalogue(apart.restUrl, apart.inventoryUrls[0]);
        isStocked = true;
        return await work(apart);
      } finally {
        await apart.stop();
      }
    };
    try {
      for (let round = 1; round <= repeats; round += 1) {
        say(`replicas: round ${round} of ${repeats}, one of each`);
        const one = await withReplicas(1, (apart) => measureCost(apart, backlog, { seconds, loads: 1 }));
        say(`replicas: round ${round} of ${repeats}, ${replicasMany} of each`);
        await withReplicas(replicasMany, async (apart) => {
          for (const { factor, cost, pace } of loads) {
            const many = await measureCost(apart, backlog, { seconds, loads: factor });
            const errors = { ...one.errors, ...many.errors };
            cost.runs.push({ value: many.costMs, limit: one.costMs, errors });
            pace.runs.push({ value: many.perSecond, limit: one.perSecond, errors });
            say(
              `replicas: ${factor} times the load: an order costs ${many.costMs.toFixed(1)} ms, one of each ${one.costMs.toFixed(1)}`,
            );
          }
          const death = await measureDeath(apart, backlog, seconds);
          orders.runs.push(death.orders);
          inventory.runs.push(death.inventory);
          say(`replicas: taken over after ${runLine(death.orders)} ms (orders), ${runLine(death.inventory)} ms (inventory)`);
        });
      }
      return [...loads.flatMap(({ cost, pace }) => [cost, pace]), orders, inventory];
    } finally {
      await backlog.close();
      await servers.close();
    }
  },
};
