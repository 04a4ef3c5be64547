// What an order costs: statements, bytes, flushes to disk and processor time, where orders come alone and at full load.
import { setTimeout as sleep } from "node:timers/promises";
import { openBacklog, type Backlog } from "../backlog.ts";
import { benchSkus, stockCatalogue } from "../catalogue.ts";
import { newSeries, type Series } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { runLoad, runWatchedLoad } from "../load.ts";
import { startBenchMesh, type BenchMesh } from "../mesh.ts";
import { callers, underWayMax, unhurried, warmUpSeconds } from "../settings.ts";
import { readUsage, usageNames, usageUnits, type Usage } from "../usage.ts";

/** Slow enough for each order to be alone. */
const alonePerSecond = 5;

interface Counted {
  usage: Usage;
  seconds: number;
  orders: number;
  errors: Record<string, number>;
}

/** What was used while something went on, until all its orders were ready. */
async function count(
  { mesh, backlog }: { mesh: BenchMesh; backlog: Backlog },
  work: () => Promise<{ accepted: number; errors: Record<string, number> }>,
): Promise<Counted> {
  const startedMs = performance.now();
  const before = await readUsage(mesh, backlog.db);
  const { accepted, errors } = await work();
  await backlog.settle();
  const after = await readUsage(mesh, backlog.db);
  const seconds = (performance.now() - startedMs) / 1_000;
  return { usage: mapUsage((name) => after[name] - before[name]), seconds, orders: accepted, errors };
}

const mapUsage = (of: (name: keyof Usage) => number): Usage =>
  Object.fromEntries(usageNames.map((name) => [name, of(name)])) as unknown as Usage;

function seriesOf(when: string, per: string): Record<keyof Usage, Series> {
  const unitOf = (name: keyof Usage): string => (usageUnits[name] === "" ? `each ${per}` : `${usageUnits[name]}/${per}`);
  const entries = usageNames.map((name) => [name, newSeries({ name: "cost", variant: `${when}: ${name}`, unit: unitOf(name) })]);
  return Object.fromEntries(entries) as Record<keyof Usage, Series>;
}

export const cost: Group = {
  name: "cost",
  about: "what an order needs of the processors, the database and the disk: alone, and at full load",
  run: async ({ seconds, repeats, say }: GroupOptions) => {
    const mesh = await startBenchMesh(unhurried);
    const backlog = await openBacklog(mesh.backing);
    const [idle, alone, full] = [seriesOf("no orders", "second"), seriesOf("alone", "order"), seriesOf("full load", "order")];
    const load = { urls: [mesh.rpcUrl], protocol: "Connect", skus: benchSkus } as const;
    const closed = { ...load, pace: { kind: "closed", callers } } as const;
    const watch = { underWay: backlog.pending, underWayMax };
    try {
      await stockCatalogue(mesh.rpcUrl);
      await runWatchedLoad({ ...closed, seconds: warmUpSeconds }, watch);
      await backlog.settle();
      for (let round = 1; round <= repeats; round += 1) {
        const counting = { mesh, backlog };
        say(`cost: round ${round} of ${repeats}, no orders`);
        const quiet = await count(counting, () => sleep(seconds * 2_000, { accepted: 0, errors: {} }));
        say(`cost: round ${round} of ${repeats}, ${alonePerSecond} orders a second`);
        const slow = await count(counting, () =>
          runLoad({ ...load, pace: { kind: "open", perSecond: alonePerSecond }, seconds: seconds * 2 }),
        );
        say(`cost: round ${round} of ${repeats}, full load`);
        const busy = await count(counting, () => runWatchedLoad({ ...closed, seconds: seconds * 2 }, watch));
        for (const name of usageNames) {
          const anyway = quiet.usage[name] / quiet.seconds;
          const ofOrder = ({ usage, seconds: lasted, orders, errors }: Counted) => ({
            value: (usage[name] - anyway * lasted) / orders,
            errors,
          });
          idle[name].runs.push({ value: anyway });
          alone[name].runs.push(ofOrder(slow));
          full[name].runs.push(ofOrder(busy));
        }
      }
      return [idle, alone, full].flatMap((each) => Object.values(each));
    } finally {
      await backlog.close();
      await mesh.close();
    }
  },
};
