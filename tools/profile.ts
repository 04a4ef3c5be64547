// Where the processor's time goes while orders flow: a CPU profile of the mesh, and a summary of it.
//   npm run profile -- --callers 64 --seconds 10
// The file opens as a flame graph in the developer tools of Chromium (Performance, load profile).
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openBacklog } from "./bench/backlog.ts";
import { benchSkus, stockCatalogue } from "./bench/catalogue.ts";
import { runWatchedLoad } from "./bench/load.ts";
import { startBenchServers, startMeshOn } from "./bench/mesh.ts";
import { runBenchmark } from "./bench/program.ts";
import { unbounded, unhurried } from "./bench/settings.ts";
import { root } from "./command.ts";

interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number }; children?: number[] }[];
  samples: number[];
  timeDeltas: number[];
}

const folder = ".ordermesh-profiles";
const linesMax = 40;

/** Share of the samples by what the function's package or folder is, and by function. */
function summary({ nodes, samples, timeDeltas }: CpuProfile): string {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const byPlace = new Map<string, number>();
  const byFunction = new Map<string, number>();
  let sum = 0;
  for (const [index, id] of samples.entries()) {
    const frame = byId.get(id)?.callFrame;
    const us = timeDeltas[index] ?? 0;
    if (!frame) continue;
    sum += us;
    const name = `${frame.functionName || "(anonymous)"} ${shortPath(frame.url)}:${frame.lineNumber + 1}`;
    byFunction.set(name, (byFunction.get(name) ?? 0) + us);
    const place = placeOf(frame);
    byPlace.set(place, (byPlace.get(place) ?? 0) + us);
  }
  const table = (shares: ReadonlyMap<string, number>): string =>
    [...shares]
      .toSorted(([, one], [, other]) => other - one)
      .slice(0, linesMax)
      .map(([name, us]) => `${((us / sum) * 100).toFixed(1).padStart(6)} %  ${name}`)
      .join("\n");
  return `by place\n${table(byPlace)}\n\nby function (own time)\n${table(byFunction)}`;
}

const shortPath = (url: string): string =>
  url
    .replace(/^file:\/\//, "")
    .replace(root, "")
    .replace(/^node_modules\//, "");

function placeOf({ functionName, url }: CpuProfile["nodes"][number]["callFrame"]): string {
  if (url === "") return functionName;
  const path = shortPath(url);
  if (path.startsWith("node:")) return "node";
  if (/^(services|gen|tools)\//.test(path))
    return path
      .split("/")
      .slice(0, path.startsWith("gen/") ? 1 : 3)
      .join("/");
  return path
    .split("/")
    .slice(0, path.startsWith("@") ? 2 : 1)
    .join("/");
}

async function newestProfile(): Promise<string> {
  const files = (await readdir(join(root, folder))).filter((name) => name.endsWith(".cpuprofile")).toSorted();
  const newest = files.at(-1);
  if (newest === undefined) throw new Error("the mesh has left no profile");
  return join(folder, newest);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      callers: { type: "string", default: "64" },
      seconds: { type: "string", default: "10" },
      open: { type: "string", default: "400" },
      // Orders as they come, and their events wait: what "accept" measures.
      burst: { type: "boolean", default: false },
    },
  });
  await mkdir(join(root, folder), { recursive: true });
  const { backing, close } = await startBenchServers();
  const nodeArgs = ["--cpu-prof", `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${Date.now()}.cpuprofile`];
  const mesh = await startMeshOn(backing, { env: values.burst ? { ...unhurried, ...unbounded } : unhurried, nodeArgs });
  const backlog = await openBacklog(backing);
  try {
    await stockCatalogue(mesh.rpcUrl);
    const pace = { kind: "closed", callers: Number(values.callers) } as const;
    const load = await runWatchedLoad(
      { urls: [mesh.rpcUrl], protocol: "Connect", pace, skus: benchSkus, warmUpSeconds: 3, seconds: Number(values.seconds) },
      { underWay: backlog.pending, underWayMax: values.burst ? Infinity : Number(values.open) },
    );
    console.log(
      `${(load.accepted / load.seconds).toFixed(0)} orders/s accepted, ${(load.ready / load.watchedSeconds).toFixed(0)} ready`,
    );
  } finally {
    await backlog.close();
    await mesh.stop();
    await close();
  }
  const file = await newestProfile();
  console.log(`${summary(JSON.parse(await readFile(join(root, file), "utf8")) as CpuProfile)}\n\n${file}`);
}

await runBenchmark(main);
