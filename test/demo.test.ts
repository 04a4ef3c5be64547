// The demonstration as a newcomer runs it: it tells what became of every order, and the sum is right.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommand, type CommandResult } from "../tools/command.ts";
import { throwAwayIdentity } from "../tools/operator.ts";
import { testMesh, type TestMesh } from "./support/mesh.ts";

const operatorSecret = throwAwayIdentity.ORDERMESH_OPERATOR_SECRET;
const demo = (...args: string[]): Promise<CommandResult> => runCommand("node", ["tools/demo.ts", ...args]);

describe("against a running mesh", () => {
  // A hundred orders go through every intent of the plan, in its shares.
  const asked = 100;
  let mesh: TestMesh;
  let result: CommandResult;
  let counts: Map<string, number>;

  beforeAll(async () => {
    mesh = await testMesh({ ORDERMESH_SEED: "demo" });
    result = await demo("--orders", String(asked), "--rate", "20", "--url", mesh.edgeUrl, "--operator-secret", operatorSecret);
    const table = result.output.split("\nOutcomes\n")[1]?.split("\n\n")[0] ?? "";
    counts = new Map([...table.matchAll(/^ {2}(\S.*?) {2,}(\d+)/gm)].map(([, name = "", count]) => [name, Number(count)]));
  });

  afterAll(() => mesh?.close());

  test("it ends with exit code 0, and the outcomes add up to what was asked for", () => {
    expect(result.code, result.output).toBe(0);
    const outcomes = [...counts].filter(([name]) => name !== "sum");
    expect(outcomes.reduce((sum, [, count]) => sum + count, 0)).toBe(asked);
    expect(counts.get("sum")).toBe(asked);
  });

  test("most orders are delivered, and each way of going wrong is shown by the name of its reason", () => {
    expect(counts.get("delivered")).toBeGreaterThan(asked / 2);
    for (const name of ["cancelled: PAYMENT_DECLINED", "cancelled: FRAUD_REJECTED", "refused: STOCK_UNAVAILABLE"]) {
      expect(counts.get(name), name).toBeGreaterThan(0);
    }
    expect(counts.get("refused: INVALID_ARGUMENT")).toBe(2);
  });

  test("it tells how long accepting, readiness and delivery took", () => {
    for (const name of ["accepted", "ready", "delivered"]) {
      expect(result.output).toMatch(new RegExp(`→ ${name} +\\d+ ms median +\\d+ ms p99 +\\(\\d+ orders\\)$`, "m"));
    }
  });

  test("written to a file it has no control characters", () => {
    // oxlint-disable-next-line no-control-regex
    expect(result.output).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });
});

test.each([
  { name: "where nothing answers", args: ["--url", "http://127.0.0.1:1"], says: "npm start" },
  { name: "of a number that is none", args: ["--orders", "many"], says: "--orders" },
  { name: "of an option that does not exist", args: ["--speed", "9"], says: "--speed" },
])("$name it says so in one sentence, with exit code 1", async ({ args, says }) => {
  const { code, output } = await demo(...args);
  expect(code).toBe(1);
  expect(output.trimEnd().split("\n")).toHaveLength(1);
  expect(output).toContain(says);
});
