// How many orders a second go from the request to ready for shipment and on and on, and how long one takes at half that load.
import { openBacklog, type Backlog } from "../backlog.ts";
import { benchSkus, stockCatalogue } from "../catalogue.ts";
import { newSeries, runLine, type Run, type Series } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { runLoad, runWatchedLoad } from "../load.ts";
import { startBenchMesh } from "../mesh.ts";
import { openOneByOne, type OneByOne } from "../one-by-one.ts";
import { callers, underWayMax, unhurried, warmUpSeconds } from "../settings.ts";

/** The number of clients at which the limit is measured. */
const limitClients = 64;

interface Place {
  rpcUrl: string;
  backlog: Backlog;
  limit: OneByOne;
}

/** Sustained: what is under way stays bounded while as much becomes ready as is accepted. */
export async function measureFlow({ rpcUrl, backlog, limit }: Place, seconds: number): Promise<Run> {
  const limitPerSecond = await limit.measure({ clients: limitClients, seconds });
  const options = { urls: [rpcUrl], protocol: "Connect", pace: { kind: "closed", callers }, skus: benchSkus } as const;
  const before = await backlog.newestOrder();
  const load = await runWatchedLoad(
    { ...options, warmUpSeconds, seconds: seconds * 2 },
    { underWay: backlog.pending, underWayMax },
  );
  await backlog.settle();
  const { p50Ms, p99Ms, cancelled } = await backlog.timesSince(before);
  const errors = cancelled > 0 ? { ...load.errors, "orders cancelled": cancelled } : load.errors;
  return { value: load.ready / load.watchedSeconds, limit: limitPerSecond, p50Ms, p99Ms, errors };
}

/** An open loop: orders come at their pace, however long the answers take. */
async function measureHalf({ rpcUrl, backlog }: Place, { perSecond, seconds }: { perSecond: number; seconds: number }) {
  const pace = { kind: "open", perSecond } as const;
  const options = { urls: [rpcUrl], protocol: "Connect", pace, skus: benchSkus } as const;
  await runLoad({ ...options, seconds: warmUpSeconds });
  const before = await backlog.newestOrder();
  const load = await runLoad({ ...options, seconds: seconds * 2 });
  await backlog.settle();
  const ready = await backlog.timesSince(before);
  const value = load.accepted / load.seconds;
  const { errors } = load;
  return {
    answered: { value, errors, p50Ms: load.p50Ms, p99Ms: load.p99Ms },
    ready: { value, errors, p50Ms: ready.p50Ms, p99Ms: ready.p99Ms },
  };
}

export const flow: Group = {
  name: "flow",
  about: "orders a second from the request to PENDING_SHIPMENT, and how long one takes at half that load",
  run: async ({ seconds, repeats, say }: GroupOptions) => {
    const mesh = await startBenchMesh(unhurried);
    const backlog = await openBacklog(mesh.backing);
    const limit = await openOneByOne(mesh.backing.databaseUrl);
    const place = { rpcUrl: mesh.rpcUrl, backlog, limit };
    const about = { name: "flow", unit: "orders/s" };
    const limitName = `${limit.name}, ${limitClients} clients`;
    const sustained: Series = newSeries({ ...about, variant: "placed → ready, sustained", limitName });
    const answered: Series = newSeries({ ...about, variant: "at half load: asked → answered" });
    const ready: Series = newSeries({ ...about, variant: "at half load: placed → ready" });
    try {
      await stockCatalogue(mesh.rpcUrl);
      for (let round = 1; round <= repeats; round += 1) {
        say(`flow: round ${round} of ${repeats}, sustained`);
        const run = await measureFlow(place, seconds);
        sustained.runs.push(run);
        say(`flow: sustained: ${runLine(run)}`);
        const half = await measureHalf(place, { perSecond: run.value / 2, seconds });
        say(`flow: at half load, answered: ${runLine(half.answered)}`);
        say(`flow: at half load, ready: ${runLine(half.ready)}`);
        answered.runs.push(half.answered);
        ready.runs.push(half.ready);
      }
      return [sustained, answered, ready];
    } finally {
      await limit.close();
      await backlog.close();
      await mesh.close();
    }
  },
};
