// Twice as many orders as the mesh can sustain: what was accepted keeps its pace, the rest is refused at once, nothing
// is lost, and afterwards all is as before.
import { openBacklog, type Backlog } from "../backlog.ts";
import { benchSkus, stockCatalogue } from "../catalogue.ts";
import { newSeries, type Series } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { runLoad, runWatchedLoad, type LoadResult } from "../load.ts";
import { startBenchMesh } from "../mesh.ts";
import { callers, underWayMax, unhurried, warmUpSeconds } from "../settings.ts";

const overloadFactor = 2;
/** At twice the capacity for so many times as long as other runs: two minutes by default. */
const lengthFactor = 24;
/** Afterwards, at half the capacity. */
const afterSeconds = 10;
/** What a caller is told who comes at such a time; any other error is one. */
const refusals = /^(resource_exhausted|unavailable): (too many calls at once|what was accepted before)/;

function refusedIn({ errors }: LoadResult): { refused: number; wrong: Record<string, number> } {
  const entries = Object.entries(errors);
  const refused = entries.filter(([reason]) => refusals.test(reason)).reduce((sum, [, count]) => sum + count, 0);
  return { refused, wrong: Object.fromEntries(entries.filter(([reason]) => !refusals.test(reason))) };
}

/** Every order that was accepted is there, and is ready. */
async function lostOf(backlog: Backlog, since: string, accepted: number): Promise<Record<string, number>> {
  await backlog.settle();
  const { count } = await backlog.timesSince(since);
  return count === accepted ? {} : { "orders accepted but not ready": accepted - count };
}

async function measure(rpcUrl: string, backlog: Backlog, seconds: number) {
  const options = { urls: [rpcUrl], protocol: "Connect", skus: benchSkus } as const;
  const capacityRun = await runWatchedLoad(
    { ...options, pace: { kind: "closed", callers }, warmUpSeconds, seconds: seconds * 2 },
    { underWay: backlog.pending, underWayMax },
  );
  const capacity = capacityRun.ready / capacityRun.watchedSeconds;
  await backlog.settle();
  const before = await backlog.newestOrder();
  const pace = { kind: "open", perSecond: capacity * overloadFactor } as const;
  const load = await runLoad({ ...options, pace, seconds: seconds * lengthFactor });
  const { refused, wrong } = refusedIn(load);
  const lost = await lostOf(backlog, before, load.accepted);
  const after = await runLoad({ ...options, pace: { kind: "open", perSecond: capacity / 2 }, seconds: afterSeconds });
  return { capacity, load, refused, errors: { ...capacityRun.errors, ...wrong, ...lost }, after };
}

export const overload: Group = {
  name: "overload",
  about: `twice the capacity for ${lengthFactor} times --seconds: pace of what is accepted, and of the refusals`,
  run: async ({ seconds, say }: GroupOptions) => {
    const mesh = await startBenchMesh(unhurried);
    const backlog = await openBacklog(mesh.backing);
    const about = { name: "overload", unit: "calls/s" };
    const asked: Series = newSeries({ ...about, variant: "asked", limitName: "sustained" });
    const accepted: Series = newSeries({ ...about, variant: "accepted", limitName: "sustained" });
    const refused: Series = newSeries({ ...about, variant: "refused" });
    const after: Series = newSeries({ ...about, variant: "afterwards, half the capacity" });
    try {
      await stockCatalogue(mesh.rpcUrl);
      say(`overload: ${seconds * lengthFactor} s at twice the capacity`);
      const result = await measure(mesh.rpcUrl, backlog, seconds);
      const { capacity, load, errors } = result;
      asked.runs.push({ value: load.asked / load.seconds, limit: capacity, errors });
      accepted.runs.push({ value: load.accepted / load.seconds, limit: capacity, p50Ms: load.p50Ms, p99Ms: load.p99Ms, errors });
      refused.runs.push({ value: result.refused / load.seconds, p50Ms: load.failedP50Ms, p99Ms: load.failedP99Ms, errors });
      const { accepted: served, seconds: took, p50Ms, p99Ms, errors: afterErrors } = result.after;
      after.runs.push({ value: served / took, p50Ms, p99Ms, errors: afterErrors });
      return [asked, accepted, refused, after];
    } finally {
      await backlog.close();
      await mesh.close();
    }
  },
};
