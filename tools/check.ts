// Everything that can be said of the code without starting it: npm run check. Offline.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { checkBreaking } from "./breaking.ts";
import { root, runCommand } from "./command.ts";
import { layoutRules, violationLines } from "./layout/rules.ts";
import { layoutFolders, readSources } from "./layout/sources.ts";
import { layOutThirdParty } from "./third-party.ts";
import { generatedDifferences } from "./up-to-date.ts";

interface Outcome {
  isGood: boolean;
  output: string;
}

interface Check {
  name: string;
  /** What mends a failure. */
  mend: string;
  run(): Promise<Outcome>;
}

interface Verdict extends Outcome {
  check: Check;
}

const checksAtOnce = 2;

const program =
  (name: string, ...args: string[]) =>
  async (): Promise<Outcome> => {
    const { code, output } = await runCommand(name, args);
    return { isGood: code === 0, output };
  };

// The slow ones first: two at a time, the short ones then fill the gaps.
const checks: readonly Check[] = [
  {
    name: "types",
    mend: "mend what tsc names above, then: npx tsc -p .",
    run: program("tsc", "-p", "."),
  },
  {
    name: "lint",
    mend: "npx oxlint --type-aware --fix, and by hand what is left",
    run: program("oxlint", "--type-aware", "--deny-warnings"),
  },
  {
    name: "layout",
    mend: "move what is named above to where it belongs, then: npx vitest run test/layout.test.ts",
    run: async () => {
      const sources = await readSources(root, layoutFolders);
      const violations = Object.values(layoutRules).flatMap((rule) => violationLines(sources, rule));
      return { isGood: violations.length === 0, output: violations.join("\n") };
    },
  },
  {
    name: "generated code",
    mend: "npm run generate",
    run: async () => {
      const differences = await generatedDifferences();
      return { isGood: differences.length === 0, output: differences.join("\n") };
    },
  },
  {
    name: "breaking changes",
    mend: "put the new shape into a new version beside the old one, then: npx node tools/breaking.ts",
    run: async () => {
      const { isCompatible, text } = await checkBreaking();
      return { isGood: isCompatible, output: text };
    },
  },
  { name: "contracts lint", mend: "mend what buf names above, then: npx buf lint proto", run: program("buf", "lint", "proto") },
  { name: "contracts format", mend: "npm run format", run: program("buf", "format", "proto", "--diff", "--exit-code") },
  { name: "code format", mend: "npm run format", run: program("oxfmt", "--check") },
];

const seconds = (sinceMs: number): string => `${((performance.now() - sinceMs) / 1_000).toFixed(1)} s`;

function indented(text: string): string {
  return text.trim().replaceAll(/^/gm, "    ");
}

async function judge(check: Check): Promise<Verdict> {
  const startMs = performance.now();
  const outcome = await check
    .run()
    .catch((error: unknown): Outcome => ({ isGood: false, output: error instanceof Error ? error.message : String(error) }));
  console.log(`${outcome.isGood ? "ok    " : "FAILED"}  ${check.name.padEnd(18)} ${seconds(startMs).padStart(7)}`);
  // A check that is good still says which commit the contracts were compared with.
  if (!outcome.isGood || check.name === "breaking changes") console.log(indented(outcome.output));
  return { ...outcome, check };
}

async function judgeAll(): Promise<Verdict[]> {
  const waiting = [...checks];
  const verdicts: Verdict[] = [];
  const work = async (): Promise<void> => {
    for (let check = waiting.shift(); check; check = waiting.shift()) verdicts.push(await judge(check));
  };
  await Promise.all(Array.from({ length: checksAtOnce }, work));
  return verdicts;
}

const { values } = parseArgs({ options: { summary: { type: "string" } } });
const startMs = performance.now();
console.log(`${checks.length} checks, ${checksAtOnce} at a time`);
await layOutThirdParty();
const verdicts = await judgeAll();
const failed = verdicts.filter((verdict) => !verdict.isGood);

console.log(`\n${verdicts.length - failed.length} checks good, ${failed.length} failed, ${seconds(startMs)}`);
for (const { check } of failed) console.log(`  ${check.name}: ${check.mend}`);
if (values.summary)
  await writeFile(values.summary, JSON.stringify({ good: verdicts.length - failed.length, failed: failed.length }));
process.exitCode = failed.length === 0 ? 0 : 1;
