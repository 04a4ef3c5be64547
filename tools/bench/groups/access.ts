// What it costs to know who calls: the same orders where tokens are verified and where whatever is shown is taken for good.
import { randomBytes } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { AdminService } from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import { operatorTransport } from "../../operator.ts";
import { openBacklog, type Backlog } from "../backlog.ts";
import { benchSkus, stockCatalogue } from "../catalogue.ts";
import { newSeries, runLine, type Run } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { runLoad, type LoadOptions, type LoadResult } from "../load.ts";
import { startBenchServers, startMeshOn } from "../mesh.ts";
import { callers, unbounded, unhurried, warmUpSeconds } from "../settings.ts";

interface Place {
  rpcUrl: string;
  backlog: Backlog;
  clients: NonNullable<LoadOptions["clients"]>;
  close(): Promise<void>;
}

/** On servers of its own, so that neither meets what the other has left. */
async function open(program?: string): Promise<Place> {
  const { backing, close } = await startBenchServers();
  const mesh = await startMeshOn(backing, { env: { ...unhurried, ...unbounded }, ...(program ? { program } : {}) });
  const backlog = await openBacklog(backing);
  await stockCatalogue(mesh.rpcUrl);
  return {
    rpcUrl: mesh.rpcUrl,
    backlog,
    clients: await makeClients(mesh.rpcUrl),
    close: async () => {
      await backlog.close();
      await mesh.stop();
      await close();
    },
  };
}

/** One for each caller, so that there are as many tokens. */
async function makeClients(rpcUrl: string): Promise<Place["clients"]> {
  const admin = createClient(AdminService, operatorTransport(rpcUrl));
  const making = Array.from({ length: callers }, async () => {
    const clientId = `bench-${randomBytes(6).toString("hex")}`;
    const { clientSecret } = await admin.createClient({ clientId, roles: ["operator"], scopes: ["orders:write"] });
    return { clientId, clientSecret };
  });
  return Promise.all(making);
}

async function place({ rpcUrl, clients, backlog }: Place, seconds: number): Promise<LoadResult> {
  const pace = { kind: "closed", callers } as const;
  const result = await runLoad({ urls: [rpcUrl], protocol: "Connect", pace, clients, warmUpSeconds, seconds, skus: benchSkus });
  await backlog.settle();
  return result;
}

function runOf({ accepted, seconds, p50Ms, p99Ms, errors }: LoadResult, limit: LoadResult): Run {
  const perSecond = { value: accepted / seconds, limit: limit.accepted / limit.seconds };
  return { ...perSecond, p50Ms, p99Ms, errors: { ...limit.errors, ...errors } };
}

export const access: Group = {
  name: "access",
  about: `orders accepted a second by ${callers} clients with tokens, against the same without verification`,
  run: async ({ seconds, repeats, say }: GroupOptions) => {
    const series = newSeries({
      name: "access",
      variant: "tokens verified",
      unit: "orders/s",
      limitName: "every token taken for good",
    });
    const closed = await open();
    const opened = await open("tools/bench/open-mesh.ts").catch(async (error: unknown) => {
      await closed.close();
      throw error;
    });
    try {
      for (let round = 1; round <= repeats; round += 1) {
        // In turn, so that neither is always the one that finds the machine as the other has left it.
        const first = round % 2 === 1 ? opened : closed;
        const results = new Map([[first, await place(first, seconds)]]);
        const second = first === opened ? closed : opened;
        results.set(second, await place(second, seconds));
        const run = runOf(results.get(closed) as LoadResult, results.get(opened) as LoadResult);
        series.runs.push(run);
        say(`access: round ${round} of ${repeats}: ${runLine(run)}`);
      }
      return [series];
    } finally {
      await opened.close();
      await closed.close();
    }
  },
};
