// How long the mesh takes to be ready on servers that run and have their tables, and what it needs of memory.
import { openBacklog } from "../backlog.ts";
import { benchSkus, stockCatalogue } from "../catalogue.ts";
import { residentMiB } from "../cpu.ts";
import { median, newSeries } from "../figures.ts";
import type { Group, GroupOptions } from "../group.ts";
import { runWatchedLoad } from "../load.ts";
import { startBenchServers, startMeshOn } from "../mesh.ts";
import { callers, underWayMax, unhurried } from "../settings.ts";

export const start: Group = {
  name: "start",
  about: "milliseconds from the start of the process until it is ready",
  run: async ({ repeats, say }: GroupOptions) => {
    const { backing, close } = await startBenchServers();
    const series = newSeries({ name: "start", variant: "to ready", unit: "ms" });
    try {
      // Makes the tables, the streams and the consumers.
      await (await startMeshOn(backing, { env: unhurried })).stop();
      for (let round = 1; round <= repeats; round += 1) {
        say(`start: round ${round} of ${repeats}`);
        const mesh = await startMeshOn(backing, { env: unhurried });
        series.runs.push({ value: mesh.startMs });
        await mesh.stop();
      }
      return [series];
    } finally {
      await close();
    }
  },
};

const lookEveryMs = 1_000;
const warmUpSeconds = 10;
/** Full load lasts so many times as long as other runs: --seconds 50 makes ten minutes of it. */
const lengthFactor = 12;

/** Resident memory now and then until the signal aborts. */
async function watchMemory(pid: number, signal: AbortSignal): Promise<number[]> {
  const seen: number[] = [];
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      if (signal.aborted) {
        clearInterval(timer);
        resolve();
      } else void residentMiB(pid).then((now) => now !== undefined && seen.push(now));
    }, lookEveryMs);
  });
  return seen;
}

export const memory: Group = {
  name: "memory",
  about: `resident memory idle, and at full load for ${lengthFactor} times --seconds`,
  run: async ({ seconds, say }: GroupOptions) => {
    const { backing, close } = await startBenchServers();
    const series = (variant: string) => newSeries({ name: "memory", variant, unit: "MiB" });
    const [idle, loaded, most, growth] = [
      series("idle"),
      series("at full load"),
      series("at full load, the most"),
      series("at full load, last third less the third before"),
    ] as const;
    const mesh = await startMeshOn(backing, { env: unhurried });
    const backlog = await openBacklog(backing);
    try {
      await stockCatalogue(mesh.rpcUrl);
      const idleMiB = await residentMiB(mesh.pid);
      if (idleMiB === undefined) {
        say("memory: left out, there is no /proc on this system");
        return [];
      }
      idle.runs.push({ value: idleMiB });
      say(`memory: ${seconds * lengthFactor} s at full load`);
      const over = new AbortController();
      const watching = watchMemory(mesh.pid, over.signal);
      const pace = { kind: "closed", callers } as const;
      const options = { urls: [mesh.rpcUrl], protocol: "Connect", pace, skus: benchSkus } as const;
      const load = await runWatchedLoad(
        { ...options, warmUpSeconds, seconds: seconds * lengthFactor },
        { underWay: backlog.pending, underWayMax },
      );
      over.abort();
      const seen = (await watching).slice(warmUpSeconds);
      const { errors } = load;
      const third = Math.floor(seen.length / 3);
      loaded.runs.push({ value: median(seen), errors });
      most.runs.push({ value: Math.max(...seen), errors });
      growth.runs.push({ value: median(seen.slice(-third)) - median(seen.slice(-2 * third, -third)), errors });
      return [idle, loaded, most, growth];
    } finally {
      await backlog.close();
      await mesh.stop();
      await close();
    }
  },
};
