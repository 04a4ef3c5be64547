// An order placed by REST through the edge, beside the same order placed by Connect's JSON straight at the service: one process, one
// client, one body, so that what differs is the edge.
import { openBacklog } from "../backlog.ts";
import { benchSkus, stockCatalogue } from "../catalogue.ts";
import { cpuMs, residentMiB } from "../cpu.ts";
import { newSeries } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { runLoad, type LoadResult, type Protocol } from "../load.ts";
import { startBenchMesh, type BenchMesh } from "../mesh.ts";
import { callers, unbounded, unhurried } from "../settings.ts";

const warmUpSeconds = 1.5;
const limitName = `Connect JSON, ${callers} callers`;

interface Placed extends LoadResult {
  perSecond: number;
  /** Of the mesh for an order, with all that follows from it. */
  cpuMsOfOrder: number;
  residentMiB: number;
}

export const edge: Group = {
  name: "edge",
  about: "orders accepted a second by REST through the edge, against Connect's JSON; processor time and memory beside it",
  run: async ({ seconds, repeats, say }: GroupOptions) => {
    const mesh = await startBenchMesh({ ...unhurried, ...unbounded });
    const backlog = await openBacklog(mesh.backing);
    const seriesOf = (variant: string, unit: string, limit = limitName) =>
      newSeries({ name: "edge", variant, unit, limitName: limit });
    const rest = seriesOf(`REST, ${callers} callers`, "orders/s");
    const straight = seriesOf(limitName, "orders/s", "");
    const cpu = seriesOf("processor time of an order by REST", "ms");
    const memory = seriesOf("resident memory after REST", "MiB");
    const place = (protocol: Protocol, url: string): Promise<Placed> =>
      placed(mesh, backlog.settle, (warmUp) => {
        const pace = { kind: "closed", callers } as const;
        return runLoad({ urls: [url], protocol, pace, warmUpSeconds: warmUp, seconds, skus: benchSkus });
      });
    try {
      await stockCatalogue(mesh.rpcUrl);
      say("edge: once for nothing, so that the code of both is compiled");
      await place("Connect JSON", mesh.rpcUrl);
      await place("REST", mesh.edgeUrl);
      for (let round = 1; round <= repeats; round += 1) {
        say(`edge: round ${round} of ${repeats}`);
        // Who comes first changes, so that what gets slower or warmer falls on both.
        const isRestFirst = round % 2 === 0;
        const early = isRestFirst ? await place("REST", mesh.edgeUrl) : undefined;
        const limit = await place("Connect JSON", mesh.rpcUrl);
        const own = early ?? (await place("REST", mesh.edgeUrl));
        const errors = { ...limit.errors, ...own.errors };
        rest.runs.push({ value: own.perSecond, limit: limit.perSecond, p50Ms: own.p50Ms, p99Ms: own.p99Ms, errors });
        straight.runs.push({ value: limit.perSecond, p50Ms: limit.p50Ms, p99Ms: limit.p99Ms, errors });
        cpu.runs.push({ value: own.cpuMsOfOrder, limit: limit.cpuMsOfOrder, errors });
        memory.runs.push({ value: own.residentMiB, limit: limit.residentMiB, errors });
      }
      return [rest, straight, cpu, memory];
    } finally {
      await backlog.close();
      await mesh.close();
    }
  },
};

/** Processor time is taken around the whole run, its warm-up, and the settling of its orders. */
async function placed(
  { pid }: BenchMesh,
  settle: () => Promise<unknown>,
  load: (warmUpSeconds: number) => Promise<LoadResult>,
): Promise<Placed> {
  const before = await cpuMs(pid());
  const result = await load(warmUpSeconds);
  const resident = (await residentMiB(pid())) ?? Number.NaN;
  await settle();
  const used = ((await cpuMs(pid())) ?? Number.NaN) - (before ?? Number.NaN);
  const orders = result.accepted + result.acceptedBefore;
  return { ...result, perSecond: result.accepted / result.seconds, cpuMsOfOrder: used / orders, residentMiB: resident };
}
