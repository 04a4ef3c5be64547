// A short run of `npm run fuzz` with a seed of its own each time: whatever is sent is answered, and what arrives is what was said.
import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { fuzz, reportLine } from "../../tools/fuzz/run.ts";

const inputs = 2_000;

test(`${inputs} inputs`, async () => {
  const report = await fuzz({ seed: randomInt(2 ** 31), inputs });
  console.log(reportLine(report));
  expect(report.sum).toBeGreaterThanOrEqual(inputs);
});
