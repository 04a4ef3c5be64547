// Adds up what .ci/run has run: ci-summary.ts <folder of results> <exit code of the checks> <exit code of the tests>.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isProgram } from "./command.ts";

export interface Count {
  passed: number;
  failed: number;
}

/** What tools/check.ts writes. */
export interface CheckSummary {
  good: number;
  failed: number;
}

/** What we read of vitest's JSON report. */
export interface TestReport {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { status: string; assertionResults: { status: string }[] }[];
}

/** A file that did not load has no failed test in it, yet it failed. */
function brokenFiles(report: TestReport): number {
  const isBroken = ({ status, assertionResults }: TestReport["testResults"][number]): boolean =>
    status === "failed" && !assertionResults.some((test) => test.status === "failed");
  return report.testResults.filter(isBroken).length;
}

/** A program that ended badly without counting any failure, or without a report, counts as one. */
function atLeastOne(failed: number, exitCode: number, report: unknown): number {
  return failed === 0 && (exitCode !== 0 || report === undefined) ? 1 : failed;
}

export function addUp(
  checks: { summary: CheckSummary | undefined; exitCode: number },
  tests: { report: TestReport | undefined; exitCode: number },
): Count {
  const { summary } = checks;
  const { report } = tests;
  const failedTests = report ? report.numFailedTests + brokenFiles(report) : 0;
  return {
    passed: report?.numPassedTests ?? 0,
    failed: atLeastOne(summary?.failed ?? 0, checks.exitCode, summary) + atLeastOne(failedTests, tests.exitCode, report),
  };
}

/** Undefined where the program did not live to write its report. */
async function readReport<Report>(path: string): Promise<Report | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  const report: Report | undefined = text === undefined ? undefined : JSON.parse(text);
  return report;
}

if (isProgram(import.meta.url)) {
  const [folder = ".", checkCode, testCode] = process.argv.slice(2);
  const { passed, failed } = addUp(
    { summary: await readReport<CheckSummary>(join(folder, "checks.json")), exitCode: Number(checkCode) },
    { report: await readReport<TestReport>(join(folder, "tests.json")), exitCode: Number(testCode) },
  );
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
