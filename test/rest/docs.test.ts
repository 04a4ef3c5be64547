// The commands of docs/rest.md do what is said beside them: a contract, its image, a server, the edge and whoever asks it.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "../../tools/command.ts";
import { freePorts } from "../support/ports.ts";
import { until } from "../support/until.ts";

const page = await readFile(join(root, "docs/rest.md"), "utf8");
const blocksOf = (label: string): string[] =>
  [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].flatMap(([, found, text = ""]) => (found === label ? [text] : []));

describe("a contract that is not ours", () => {
  const program = join(root, "greeter.mjs");
  const running: ChildProcess[] = [];
  let folder: string;
  let hasWritten = false;
  let here: (text: string) => string;

  /** Starts a command of the page, and waits for what it says. */
  async function start(part: string, says: string): Promise<void> {
    const command = blocksOf("sh").find((block) => block.includes(part)) ?? "";
    const child = spawn("bash", ["-euc", `exec ${here(command)}`], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    running.push(child);
    let output = "";
    const add = (chunk: Buffer): void => void (output += chunk.toString());
    child.stdout.on("data", add);
    child.stderr.on("data", add);
    await until(() => output.includes(says) || child.exitCode !== null, { timeoutMs: 30_000 });
    expect(output).toContain(says);
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "ordermesh-rest-"));
    const [upstream, edge] = await freePorts(2);
    here = (text) =>
      text.replaceAll("/tmp/greeter", folder).replaceAll("50051", String(upstream)).replaceAll("8081", String(edge));
    await writeFile(join(folder, "greeter.proto"), blocksOf("proto")[0] ?? "");
    await writeFile(program, here(blocksOf("js")[0] ?? ""), { flag: "wx" });
    hasWritten = true;
    await run(blocksOf("sh").find((block) => block.includes("buf build")) ?? "");
    await start("npx node greeter.mjs", "listens");
    await start("npm run edge", "gRPC over HTTP/2");
  });

  afterAll(async () => {
    for (const child of running.toReversed()) {
      const ended = once(child, "exit");
      // As a terminal does: to the command and all that it has started.
      if (child.exitCode === null && child.pid !== undefined && process.kill(-child.pid, "SIGINT")) await ended;
    }
    if (hasWritten) await rm(program);
    await rm(folder, { recursive: true, force: true });
  });

  async function run(command: string): Promise<string> {
    const child = spawn("bash", ["-euo", "pipefail", "-c", here(command)], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, "close")) as [number | null];
    expect(code, output).toBe(0);
    return output;
  }

  test("is asked by REST as the page says", async () => {
    const output = await run(blocksOf("sh").find((block) => block.includes("curl")) ?? "");
    const [greeted, posted, refused, malformed, ready] = output.trimEnd().split("\n");
    expect(JSON.parse(greeted ?? "")).toEqual({ greeting: "Hello Countess Dr. people/ada", times: "9007199254740993" });
    expect(JSON.parse(posted ?? "")).toEqual({ greeting: "Hello people/bob", times: "2" });
    expect(JSON.parse(refused ?? "")).toMatchObject({ code: 3, message: "whom?", details: [{ reason: "INVALID_ARGUMENT" }] });
    expect(JSON.parse(malformed ?? "")).toMatchObject({ code: 3, details: [{}, { fieldViolations: [{ field: "times" }] }] });
    expect(JSON.parse(ready ?? "")).toEqual({ ready: true, checks: { upstream: "gRPC over HTTP/2" } });
  });
});
