// What it costs to know who calls: one mesh takes orders in turn with tokens verified, and with whatever is shown taken for good.
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { AdminService } from "#gen/ordermesh/identity/v1/admin_service_pb.ts";
import { operatorTransport } from "../../operator.ts";
import { openBacklog } from "../backlog.ts";
import { benchSkus, stockCatalogue } from "../catalogue.ts";
import { cpuMs } from "../cpu.ts";
import { median, newSeries, runLine, type Run } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { runLoad, type LoadOptions } from "../load.ts";
import { startBenchServers, startMeshOn, type MeshProcess } from "../mesh.ts";
import { callers, unbounded, unhurried, warmUpSeconds } from "../settings.ts";

/** One for each caller, so that there are as many tokens. */
async function makeClients(rpcUrl: string): Promise<NonNullable<LoadOptions["clients"]>> {
  const admin = createClient(AdminService, operatorTransport(rpcUrl));
  const making = Array.from({ length: callers }, async () => {
    const clientId = `bench-${randomBytes(6).toString("hex")}`;
    const { clientSecret } = await admin.createClient({ clientId, roles: ["operator"], scopes: ["orders:write"] });
    return { clientId, clientSecret };
  });
  return Promise.all(making);
}

interface Slice {
  perSecond: number;
  /** Of the mesh, until all that was accepted is ready. */
  cpuMicrosPerOrder: number;
  p50Ms: number;
  p99Ms: number;
  errors: Record<string, number>;
}

type Slices = Record<"verified" | "taken", Slice[]>;

/** A round is several pairs of slices: what else the machine does falls on both. Even, so that verification is on at the end. */
const pairsEach = 4;

async function switchVerification({ pid }: MeshProcess): Promise<void> {
  process.kill(pid, "SIGUSR2");
  await sleep(100);
}

/** Which of a pair is first changes from pair to pair. */
async function measurePairs(mesh: MeshProcess, measure: () => Promise<Slice>): Promise<Slices> {
  const slices: Slices = { verified: [], taken: [] };
  let now: keyof Slices = "verified";
  for (let pair = 0; pair < pairsEach; pair += 1) {
    slices[now].push(await measure());
    await switchVerification(mesh);
    now = now === "verified" ? "taken" : "verified";
    slices[now].push(await measure());
  }
  return slices;
}

function runsOf({ verified, taken }: Slices): Record<"rate" | "time", Run> {
  const errors = Object.assign({}, ...[...verified, ...taken].map((slice) => slice.errors)) as Record<string, number>;
  const both = (of: (slice: Slice) => number) => ({ value: mean(verified.map(of)), limit: mean(taken.map(of)), errors });
  const medianOf = (of: (slice: Slice) => number): number => median(verified.map(of));
  return {
    rate: { ...both(({ perSecond }) => perSecond), p50Ms: medianOf(({ p50Ms }) => p50Ms), p99Ms: medianOf(({ p99Ms }) => p99Ms) },
    time: both(({ cpuMicrosPerOrder }) => cpuMicrosPerOrder),
  };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

export const access: Group = {
  name: "access",
  about: `orders accepted a second by ${callers} clients with tokens, against the same without verification`,
  run: async ({ seconds, repeats, say }: GroupOptions) => {
    const limitName = "every token taken for good";
    const series = {
      rate: newSeries({ name: "access", variant: "tokens verified", unit: "orders/s", limitName }),
      time: newSeries({ name: "access", variant: "processor time of the mesh", unit: "µs/order", limitName }),
    };
    const { backing, close } = await startBenchServers();
    const env = { ...unhurried, ...unbounded };
    const mesh = await startMeshOn(backing, { env, program: "tools/bench/switched-mesh.ts" });
    const backlog = await openBacklog(backing);
    try {
      await stockCatalogue(mesh.rpcUrl);
      const pace = { kind: "closed", callers } as const;
      const clients = await makeClients(mesh.rpcUrl);
      const load = { urls: [mesh.rpcUrl], protocol: "Connect", pace, clients, skus: benchSkus } as const;
      await runLoad({ ...load, seconds: warmUpSeconds });
      await backlog.settle();
      const measure = async (): Promise<Slice> => {
        const beforeMs = (await cpuMs(mesh.pid)) ?? Number.NaN;
        const result = await runLoad({ ...load, seconds });
        await backlog.settle();
        const usedMs = ((await cpuMs(mesh.pid)) ?? Number.NaN) - beforeMs;
        const { accepted } = result;
        return { ...result, perSecond: accepted / result.seconds, cpuMicrosPerOrder: (usedMs * 1_000) / accepted };
      };
      for (let round = 1; round <= repeats; round += 1) {
        const { rate, time } = runsOf(await measurePairs(mesh, measure));
        series.rate.runs.push(rate);
        series.time.runs.push(time);
        say(`access: round ${round} of ${repeats}: ${runLine(rate)}; processor time ${runLine(time)}`);
      }
      return Object.values(series);
    } finally {
      await backlog.close();
      await mesh.stop();
      await close();
    }
  },
};
