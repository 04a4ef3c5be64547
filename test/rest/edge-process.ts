// The edge as a person starts it: a process of its own.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { compileCache, root } from "../../tools/command.ts";
import { until } from "../support/until.ts";

export interface EdgeProcess {
  url: string;
  output(): string;
  signal(name: NodeJS.Signals): void;
  /** Its exit code; null where a signal killed it. */
  ended: Promise<number | null>;
}

const program = join(root, "services/edge/main.ts");

export function spawnEdge(args: readonly string[], env: Record<string, string> = {}): Omit<EdgeProcess, "url"> {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, NODE_COMPILE_CACHE: compileCache, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  const add = (chunk: Buffer): void => void (text += chunk.toString());
  child.stdout.on("data", add);
  child.stderr.on("data", add);
  return {
    output: () => text,
    signal: (name) => void child.kill(name),
    ended: new Promise((resolve) => child.once("close", (code) => resolve(code))),
  };
}

/** Waits until it says that it is ready. */
export async function startEdgeProcess(args: readonly string[], env: Record<string, string> = {}): Promise<EdgeProcess> {
  const edge = spawnEdge([...args, "--port", "0"], env);
  const isOver = await Promise.race([
    edge.ended.then(() => true),
    until(() => /upstream .+\n/.test(edge.output())).then(() => false),
  ]);
  if (isOver) throw new Error(`the edge did not start:\n${edge.output()}`);
  return { ...edge, url: /ready on (\S+)\./.exec(edge.output())?.[1] ?? "" };
}
