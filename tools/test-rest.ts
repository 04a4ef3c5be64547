// Runs the suite of the REST edge, and says how many cases there are of what: npm run test:rest
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { root, runCommand } from "./command.ts";

interface Report {
  testResults: { name: string; assertionResults: { ancestorTitles: string[]; status: string }[] }[];
}

const folders = ["services/edge/transcode", "test/rest"];

/** Passed and failed, by file and what its cases are about. */
function casesOf({ testResults }: Report): Map<string, { passed: number; failed: number }> {
  const cases = new Map<string, { passed: number; failed: number }>();
  for (const { name, assertionResults } of testResults.toSorted((one, other) => one.name.localeCompare(other.name))) {
    const file = relative(root, name).replace(/^services\/edge\/|\.test\.ts$/g, "");
    for (const { ancestorTitles, status } of assertionResults) {
      const subject = [file, ...ancestorTitles.slice(0, 1)].join(": ");
      const count = cases.get(subject) ?? { passed: 0, failed: 0 };
      count[status === "passed" ? "passed" : "failed"] += 1;
      cases.set(subject, count);
    }
  }
  return cases;
}

const folder = await mkdtemp(join(tmpdir(), "ordermesh-test-rest-"));
try {
  const file = join(folder, "report.json");
  const { code, output } = await runCommand("vitest", ["run", ...folders, "--reporter=json", `--outputFile=${file}`]);
  const cases = casesOf(JSON.parse(await readFile(file, "utf8")) as Report);
  for (const [subject, { passed, failed }] of cases) {
    console.log(`${String(passed + failed).padStart(5)}  ${subject}${failed > 0 ? `  (${failed} FAILED)` : ""}`);
  }
  const sum = [...cases.values()].reduce((total, { passed, failed }) => total + passed + failed, 0);
  console.log(`${String(sum).padStart(5)}  cases`);
  if (code !== 0) console.error(`${output}\nSome failed; run them by: npx vitest run ${folders.join(" ")}`);
  process.exitCode = code;
} finally {
  await rm(folder, { recursive: true, force: true });
}
