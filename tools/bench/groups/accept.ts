// How many orders are accepted a second: prices, shipping and availability asked, and the order durable.
import { openBacklog, type Backlog } from "../backlog.ts";
import { benchSkus, stockCatalogue } from "../catalogue.ts";
import { newSeries, runLine, type Series } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { runLoad, type Protocol } from "../load.ts";
import { startBenchMesh } from "../mesh.ts";
import { openOneByOne, type OneByOne } from "../one-by-one.ts";
import { unbounded, unhurried, warmUpSeconds } from "../settings.ts";

const callersOf = [1, 16, 64, 256];
const protocols: readonly Protocol[] = ["gRPC", "Connect"];
/** The load is a new process each time, and slow until its code is compiled. */

interface Place {
  rpcUrl: string;
  backlog: Backlog;
  limit: OneByOne;
}

/** One round at a number of callers: the limit, and each protocol, one after the other. */
async function measureRound(
  { rpcUrl, backlog, limit }: Place,
  { callers, seconds }: { callers: number; seconds: number },
  series: ReadonlyMap<Protocol, Series>,
  say: GroupOptions["say"],
): Promise<void> {
  const limitPerSecond = await limit.measure({ clients: callers, seconds });
  for (const [protocol, { runs }] of series) {
    const pace = { kind: "closed", callers } as const;
    const {
      accepted,
      seconds: took,
      errors,
      p50Ms,
      p99Ms,
    } = await runLoad({
      urls: [rpcUrl],
      protocol,
      pace,
      warmUpSeconds,
      seconds,
      skus: benchSkus,
    });
    const run = { value: accepted / took, limit: limitPerSecond, p50Ms, p99Ms, errors };
    runs.push(run);
    say(`accept: ${protocol}, ${callers} callers: ${runLine(run)}`);
    // What was accepted is worked on first: the next run must not pay for it.
    await backlog.settle();
  }
}

export const accept: Group = {
  name: "accept",
  about: "orders accepted a second at 1 to 256 callers, by gRPC and by Connect",
  run: async ({ seconds, repeats, say }: GroupOptions) => {
    const mesh = await startBenchMesh({ ...unhurried, ...unbounded });
    const backlog = await openBacklog(mesh.backing);
    const limit = await openOneByOne(mesh.backing.databaseUrl);
    try {
      await stockCatalogue(mesh.rpcUrl);
      const all = callersOf.map((callers) => {
        const variant = (protocol: Protocol): string => `${protocol}, ${callers} ${callers === 1 ? "caller" : "callers"}`;
        const about = { name: "accept", unit: "orders/s", limitName: limit.name };
        const series = new Map(protocols.map((protocol) => [protocol, newSeries({ ...about, variant: variant(protocol) })]));
        return { callers, series };
      });
      for (let round = 1; round <= repeats; round += 1) {
        for (const { callers, series } of all) {
          say(`accept: round ${round} of ${repeats}, ${callers} callers, the limit first`);
          await measureRound({ rpcUrl: mesh.rpcUrl, backlog, limit }, { callers, seconds }, series, say);
        }
      }
      return all.flatMap(({ series }) => [...series.values()]);
    } finally {
      await limit.close();
      await backlog.close();
      await mesh.close();
    }
  },
};
