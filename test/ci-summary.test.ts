// The last line of .ci/run never says less than what went wrong.
import { expect, test } from "vitest";
import { addUp, type TestReport } from "../tools/ci-summary.ts";

const summary = { good: 8, failed: 0 };
const report: TestReport = {
  numPassedTests: 5,
  numFailedTests: 0,
  testResults: [{ status: "passed", assertionResults: [{ status: "passed" }] }],
};
const withFailure: TestReport = {
  numPassedTests: 4,
  numFailedTests: 1,
  testResults: [{ status: "failed", assertionResults: [{ status: "passed" }, { status: "failed" }] }],
};
const withBrokenFile: TestReport = {
  ...report,
  testResults: [...report.testResults, { status: "failed", assertionResults: [] }],
};

test.each([
  { what: "all is well", checks: { summary, exitCode: 0 }, tests: { report, exitCode: 0 }, want: { passed: 5, failed: 0 } },
  {
    what: "two checks and a test failed",
    checks: { summary: { good: 6, failed: 2 }, exitCode: 1 },
    tests: { report: withFailure, exitCode: 1 },
    want: { passed: 4, failed: 3 },
  },
  {
    what: "a test file did not load",
    checks: { summary, exitCode: 0 },
    tests: { report: withBrokenFile, exitCode: 1 },
    want: { passed: 5, failed: 1 },
  },
  {
    what: "the tests ended badly after the last test",
    checks: { summary, exitCode: 0 },
    tests: { report, exitCode: 1 },
    want: { passed: 5, failed: 1 },
  },
  {
    what: "neither left a report",
    checks: { summary: undefined, exitCode: 1 },
    tests: { report: undefined, exitCode: 0 },
    want: { passed: 0, failed: 2 },
  },
])("$what: $want.passed passed, $want.failed failed", ({ checks, tests, want }) => {
  expect(addUp(checks, tests)).toEqual(want);
});
