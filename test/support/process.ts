// The mesh as a person starts it: a process of its own.
import { spawn, type ChildProcess } from "node:child_process";
import { compileCache, root, startArgs } from "../../tools/command.ts";
import { clientTokens, fetchWith, throwAwayIdentity, withoutLimits } from "../../tools/operator.ts";
import { until } from "./until.ts";

export interface MeshProcess {
  child: ChildProcess;
  edgeUrl: string;
  rpcUrl: string;
  /** Of an operator. */
  token(): Promise<string>;
  /** Asks the edge with the operator's token. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  output(): string;
  /** From now on it dies at the point, such as "orders.erase:before_ack", where it may be broken (ORDERMESH_TEST_FAULTS). */
  arm(crashAt: string): void;
  /** Sends a signal and answers the exit code; null where the signal killed it. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

export interface Ended {
  exitCode: number | null;
  output: string;
}

interface Spawned {
  child: ChildProcess;
  output(): string;
  ended: Promise<number | null>;
}

const withoutServers = (): NodeJS.ProcessEnv => {
  const { DATABASE_URL: _database, NATS_URL: _nats, ...env } = process.env;
  return env;
};

function spawnMesh({ env, args = [] }: { env: Record<string, string>; args?: string[] }): Spawned {
  const child = spawn(process.execPath, [...startArgs, ...args], {
    cwd: root,
    env: {
      ...withoutServers(),
      NODE_COMPILE_CACHE: compileCache,
      ...throwAwayIdentity,
      ...withoutLimits,
      ORDERMESH_EDGE_PORT: "0",
      ORDERMESH_RPC_PORT: "0",
      ...env,
    },
    // Who may be broken can be told where.
    stdio: ["ignore", "pipe", "pipe", ...(env["ORDERMESH_TEST_FAULTS"] === "on" ? (["ipc"] as const) : [])],
  });
  let text = "";
  const add = (chunk: Buffer): void => {
    text += chunk.toString();
  };
  child.stdout?.on("data", add);
  child.stderr?.on("data", add);
  return { child, output: () => text, ended: new Promise((resolve) => child.once("exit", (code) => resolve(code))) };
}

/** Starts the mesh and waits until it says that it is ready. */
export async function startMeshProcess(options: { env: Record<string, string>; args?: string[] }): Promise<MeshProcess> {
  const { child, output, ended } = spawnMesh(options);
  await until(() => output().includes("is ready") || child.exitCode !== null || child.signalCode !== null, { timeoutMs: 60_000 });
  if (!output().includes("is ready")) throw new Error(`the mesh did not start:\n${output()}`);
  const address = (name: string): string => new RegExp(`${name} +(https?://\\S+)`).exec(output())?.[1] ?? "";
  const edgeUrl = address("REST");
  const token = clientTokens({ edgeUrl });
  return {
    child,
    token,
    fetch: fetchWith(edgeUrl, token),
    edgeUrl,
    rpcUrl: address("RPC"),
    output,
    arm: (crashAt) => void child.send({ crashAt }),
    end: async (signal) => {
      child.kill(signal);
      return ended;
    },
  };
}

/** Starts a mesh that is not expected to come up, and waits for its end. */
export async function failToStart(options: { env: Record<string, string>; args?: string[] }): Promise<Ended> {
  const { child, output, ended } = spawnMesh(options);
  const timer = setTimeout(() => child.kill("SIGKILL"), 45_000);
  const exitCode = await ended;
  clearTimeout(timer);
  return { exitCode, output: output() };
}
