// The mesh in processes of its own on servers of the benchmark's, with fsync on.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveBacking, type Backing } from "#runtime/backing/resolve.ts";
import { startArgs } from "../command.ts";
import { throwAwayIdentity, withoutLimits } from "../operator.ts";

export interface BenchServers {
  backing: Backing;
  serverPids(): Promise<{ postgres: number; nats: number }>;
  close(): Promise<void>;
}

export interface MeshProcess {
  pid: number;
  /** From its start until it said that it was ready. */
  startMs: number;
  rpcUrl: string;
  edgeUrl: string;
  /** Ends it in order. */
  stop(): Promise<void>;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
}

export interface BenchMesh {
  rpcUrl: string;
  edgeUrl: string;
  backing: Backing;
  pid(): number;
  serverPids: BenchServers["serverPids"];
  /** Kills the process as a crash would and starts another on the same servers and ports. */
  killAndRestart(): Promise<void>;
  close(): Promise<void>;
}

const startMsMax = 60_000;
const stopMsMax = 20_000;

export async function startBenchServers(): Promise<BenchServers> {
  const dataFolder = await mkdtemp(join(tmpdir(), "ordermesh-bench-"));
  // Started as root, PostgreSQL runs as nobody, who must get into the folder.
  await chmod(dataFolder, 0o755);
  const backing = await resolveBacking({ dataFolder, durable: true, allowContainers: false });
  const pidIn = async (file: string): Promise<number> => Number.parseInt(await readFile(join(dataFolder, file), "utf8"), 10);
  return {
    backing,
    serverPids: async () => ({ postgres: await pidIn("postgres/postmaster.pid"), nats: await pidIn("nats/server.pid") }),
    close: async () => {
      await backing.stop();
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
}

export async function startBenchMesh(env: Record<string, string> = {}): Promise<BenchMesh> {
  const servers = await startBenchServers();
  try {
    const { backing } = servers;
    let mesh = await startMeshOn(backing, { env });
    const { rpcUrl, edgeUrl } = mesh;
    return {
      rpcUrl,
      edgeUrl,
      backing,
      pid: () => mesh.pid,
      serverPids: servers.serverPids,
      killAndRestart: async () => {
        await mesh.kill();
        const ports = { ORDERMESH_RPC_PORT: new URL(rpcUrl).port, ORDERMESH_EDGE_PORT: new URL(edgeUrl).port };
        mesh = await startMeshOn(backing, { env: { ...env, ...ports } });
      },
      close: async () => {
        await mesh.stop();
        await servers.close();
      },
    };
  } catch (error) {
    await servers.close();
    throw error;
  }
}

interface MeshOptions {
  env?: Record<string, string>;
  /** Of the program, such as --only orders. */
  args?: readonly string[];
  /** Of Node, such as --cpu-prof. */
  nodeArgs?: readonly string[];
  /** Another program than that of npm start. */
  program?: string;
}

/** Starts services on given servers, all of them where no argument says which. */
export async function startMeshOn(
  { databaseUrl, natsUrl }: Pick<Backing, "databaseUrl" | "natsUrl">,
  { env = {}, args = [], nodeArgs = [], program = startArgs.at(-1) ?? "" }: MeshOptions = {},
): Promise<MeshProcess> {
  const startedMs = performance.now();
  const ports = { ORDERMESH_EDGE_PORT: "0", ORDERMESH_RPC_PORT: "0" };
  const child = spawn(process.execPath, [...nodeArgs, ...startArgs.slice(0, -1), program, ...args], {
    env: {
      ...process.env,
      ...throwAwayIdentity,
      ...withoutLimits,
      ...ports,
      ORDERMESH_LOG_LEVEL: "silent",
      DATABASE_URL: databaseUrl,
      NATS_URL: natsUrl,
      ...env,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    const force = setTimeout(() => child.kill("SIGKILL"), stopMsMax);
    await ended;
    clearTimeout(force);
  };
  const output = await untilReady(child.stdout, once(child, "exit")).catch(async (error: unknown) => {
    await end("SIGKILL");
    throw error;
  });
  const address = (name: string): string => new RegExp(`${name} +(http://\\S+)`).exec(output)?.[1] ?? "";
  return {
    pid: child.pid ?? 0,
    startMs: performance.now() - startedMs,
    rpcUrl: address("RPC"),
    edgeUrl: address("REST"),
    stop: () => end("SIGINT"),
    kill: () => end("SIGKILL"),
  };
}

/** What the process wrote until it was ready, and with it. */
function untilReady(stdout: NodeJS.ReadableStream, exited: Promise<unknown>): Promise<string> {
  let output = "";
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const fail = (): void => reject(new Error(`the mesh did not start:\n${output}`));
  stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    if (output.includes("is ready")) resolve(output);
  });
  const timer = setTimeout(fail, startMsMax);
  void exited.then(fail);
  return promise.finally(() => clearTimeout(timer));
}

/** The value below which the given share of all lies. */
export const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((one, other) => one - other)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
