// Measures the mesh, each figure beside its limit on the same machine in the same run.
//   npm run bench
//   npm run bench -- accept flow --repeats 5 --json figures.json
import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { figureOf, figuresJson, figureTable, isRefused, type Figure, type Series } from "./bench/figures.ts";
import type { Group } from "./bench/group.ts";
import { access } from "./bench/groups/access.ts";
import { accept } from "./bench/groups/accept.ts";
import { consume } from "./bench/groups/consume.ts";
import { cost } from "./bench/groups/cost.ts";
import { edge } from "./bench/groups/edge.ts";
import { flow } from "./bench/groups/flow.ts";
import { growth } from "./bench/groups/growth.ts";
import { idle } from "./bench/groups/idle.ts";
import { overload } from "./bench/groups/overload.ts";
import { relay } from "./bench/groups/relay.ts";
import { replicas } from "./bench/groups/replicas.ts";
import { memory, start } from "./bench/groups/start.ts";
import { thumbnails } from "./bench/groups/thumbnails.ts";
import { uploads } from "./bench/groups/uploads.ts";
import { watch } from "./bench/groups/watch.ts";
import { runBenchmark } from "./bench/program.ts";

const groups: readonly Group[] = [
  idle,
  accept,
  access,
  flow,
  consume,
  relay,
  edge,
  start,
  memory,
  overload,
  growth,
  replicas,
  cost,
  watch,
  thumbnails,
  uploads,
];

const usage = [
  "npm run bench -- [group …] [--seconds 5] [--repeats 3] [--watchers 2000] [--json FILE]",
  ...groups.map(({ name, about }) => `  ${name.padEnd(12)}${about}`),
].join("\n");

function numberOption(name: string, text: string, { min, max }: { min: number; max: number }): number {
  const value = Number(text);
  if (!(value >= min && value <= max)) throw new Error(`--${name} takes a number from ${min} to ${max}.\n${usage}`);
  return value;
}

function chosenGroups(names: readonly string[]): readonly Group[] {
  const unknown = names.filter((name) => !groups.some((group) => group.name === name));
  if (unknown.length > 0) throw new Error(`There is no group ${unknown.join(", ")}.\n${usage}`);
  return names.length === 0 ? groups : groups.filter(({ name }) => names.includes(name));
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: "string", default: "5" },
      repeats: { type: "string", default: "3" },
      watchers: { type: "string", default: "2000" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(usage);
  const chosen = chosenGroups(positionals);
  const seconds = numberOption("seconds", values.seconds, { min: 1, max: 600 });
  const repeats = numberOption("repeats", values.repeats, { min: 1, max: 50 });
  const watchers = numberOption("watchers", values.watchers, { min: 3, max: 20_000 });
  console.log(`${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown processor"}, Node ${process.version}, fsync on`);
  const startedMs = performance.now();
  const say = (progress: string): void =>
    console.error(`${((performance.now() - startedMs) / 1_000).toFixed(0).padStart(5)} s  ${progress}`);
  const series: Series[] = [];
  for (const group of chosen) series.push(...(await group.run({ seconds, repeats, watchers, say })));

  const results = series.map(figureOf);
  const figures = results.filter((result): result is Figure => !isRefused(result));
  console.log(`medians of ${repeats} runs of ${seconds} s, with the least and the most\n${figureTable(figures)}`);
  if (values.json !== undefined) await writeFile(values.json, figuresJson(figures));
  const refused = results.filter(isRefused);
  if (refused.length === 0) return;
  throw new Error(
    ["No figure, because runs had errors:", ...refused.map(({ name, variant, why }) => `  ${name}  ${variant}: ${why}`)].join(
      "\n",
    ),
  );
}

await runBenchmark(main);
