// An order placed by REST through the edge, beside the same order placed by Connect.
import { openBacklog } from "../backlog.ts";
import { benchSkus, stockCatalogue } from "../catalogue.ts";
import { newSeries } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { runLoad, type LoadResult, type Protocol } from "../load.ts";
import { startBenchMesh } from "../mesh.ts";
import { callers, unbounded, unhurried } from "../settings.ts";

const warmUpSeconds = 1.5;

export const edge: Group = {
  name: "edge",
  about: "orders accepted a second by REST through the edge, against Connect",
  run: async ({ seconds, repeats, say }: GroupOptions) => {
    const mesh = await startBenchMesh({ ...unhurried, ...unbounded });
    const backlog = await openBacklog(mesh.backing);
    const limitName = `Connect, ${callers} callers`;
    const series = newSeries({ name: "edge", variant: `REST, ${callers} callers`, unit: "orders/s", limitName });
    const place = async (protocol: Protocol, url: string): Promise<LoadResult> => {
      const pace = { kind: "closed", callers } as const;
      const result = await runLoad({ urls: [url], protocol, pace, warmUpSeconds, seconds, skus: benchSkus });
      await backlog.settle();
      return result;
    };
    try {
      await stockCatalogue(mesh.rpcUrl);
      for (let round = 1; round <= repeats; round += 1) {
        say(`edge: round ${round} of ${repeats}`);
        const limit = await place("Connect", mesh.rpcUrl);
        const { accepted, seconds: took, p50Ms, p99Ms, errors } = await place("REST", mesh.edgeUrl);
        series.runs.push({ value: accepted / took, limit: limit.accepted / limit.seconds, p50Ms, p99Ms, errors });
      }
      return [series];
    } finally {
      await backlog.close();
      await mesh.close();
    }
  },
};
