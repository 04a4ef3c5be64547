// Breaks the mesh on purpose while it works, and then has its books judged: nothing lost, nothing doubled, nothing stuck.
//   npm run test:faults -- --seed 1 --minutes 2
//   npm run test:faults -- --seed 1 --minutes 2 --tenants 2
//   npm run test:faults -- --seed 1 --minutes 4 --rate 9 --calm
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { lifeSecondsDefault, problems, reportText, type RunReport } from "./faults/report.ts";
import { runBench, scheduleOf, type RunSettings } from "./faults/run.ts";
import { faultText } from "./faults/schedule.ts";
import { shopsMax } from "./faults/shops.ts";

interface Settings extends RunSettings {
  json: string | undefined;
}

const options = {
  seed: { type: "string", default: "1" },
  minutes: { type: "string", default: "2" },
  rate: { type: "string", default: "15" },
  tenants: { type: "string", default: "1" },
  life: { type: "string", default: String(lifeSecondsDefault) },
  calm: { type: "boolean", default: false },
  json: { type: "string" },
  log: { type: "string", default: "warn" },
  keep: { type: "boolean", default: false },
} as const;

function numberIn(text: string, name: string, { min, max }: { min: number; max: number }): number {
  const value = Number(text);
  if (text !== "" && value >= min && value <= max) return value;
  throw new Error(`--${name} is "${text}"; it takes ${min} to ${max}.`);
}

function readSettings(signal: AbortSignal): Settings {
  const { values } = parseArgs({ options });
  return {
    seed: Math.trunc(numberIn(values.seed, "seed", { min: 0, max: 4_294_967_295 })),
    minutes: numberIn(values.minutes, "minutes", { min: 0.2, max: 60 }),
    perSecond: numberIn(values.rate, "rate", { min: 1, max: 200 }),
    tenants: Math.trunc(numberIn(values.tenants, "tenants", { min: 1, max: shopsMax })),
    isCalm: values.calm,
    lifeSeconds: Math.trunc(numberIn(values.life, "life", { min: 5, max: 75 })),
    json: values.json,
    logLevel: values.log,
    keep: values.keep,
    signal,
    say: console.log,
  };
}

async function main(signal: AbortSignal): Promise<number> {
  const settings = readSettings(signal);
  const schedule = scheduleOf(settings);
  console.log(
    `seed ${settings.seed}, ${settings.minutes} minutes, ${settings.perSecond} orders a second of ${settings.tenants} tenants, ${schedule.length} faults`,
  );
  for (const { atMs, fault } of schedule) console.log(`${(atMs / 1_000).toFixed(1).padStart(6)} s  ${faultText(fault)}`);
  console.log("");
  const isGood = (report: RunReport): boolean => problems(report).length === 0;
  const report = await runBench(settings, isGood);
  console.log(reportText(report));
  if (settings.json !== undefined) {
    const planned = schedule.map(({ atMs, fault }) => ({ atMs, ...fault }));
    await writeFile(settings.json, JSON.stringify({ ...report, schedule: planned, problems: problems(report) }, undefined, 2));
  }
  return isGood(report) && !signal.aborted ? 0 : 1;
}

const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => interrupted.abort());
try {
  process.exit(await main(interrupted.signal));
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
