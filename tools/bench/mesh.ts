// The mesh in a process of its own on servers of the benchmark's, with fsync on.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { resolveBacking, type Backing } from "#runtime/backing/resolve.ts";

export interface BenchMesh {
  rpcUrl: string;
  edgeUrl: string;
  backing: Backing;
  /** Kills the process as a crash would and starts another on the same servers and ports. */
  killAndRestart(): Promise<void>;
  close(): Promise<void>;
}

const startMsMax = 60_000;

export async function startBenchMesh(env: Record<string, string> = {}): Promise<BenchMesh> {
  const dataFolder = await mkdtemp(join(tmpdir(), "ordermesh-bench-"));
  // Started as root, PostgreSQL runs as nobody, who must get into the folder.
  await chmod(dataFolder, 0o755);
  const backing = await resolveBacking({ dataFolder, durable: true, allowContainers: false });
  const stop = async (): Promise<void> => {
    await backing.stop();
    await rm(dataFolder, { recursive: true, force: true });
  };
  try {
    const settings = { DATABASE_URL: backing.databaseUrl, NATS_URL: backing.natsUrl, ...env };
    const first = await startProcess(settings);
    const address = (name: string): string => new RegExp(`${name} +(http://\\S+)`).exec(first.output)?.[1] ?? "";
    const [rpcUrl, edgeUrl] = [address("RPC"), address("REST")];
    let { child } = first;
    return {
      rpcUrl,
      edgeUrl,
      backing,
      killAndRestart: async () => {
        child.kill("SIGKILL");
        await once(child, "exit");
        const ports = { ORDERMESH_RPC_PORT: new URL(rpcUrl).port, ORDERMESH_EDGE_PORT: new URL(edgeUrl).port };
        ({ child } = await startProcess({ ...settings, ...ports }));
      },
      close: async () => {
        child.kill("SIGINT");
        await once(child, "exit");
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startProcess(env: Record<string, string>): Promise<{ child: ChildProcess; output: string }> {
  const child = spawn(process.execPath, ["services/mesh.ts"], {
    env: { ...process.env, ORDERMESH_EDGE_PORT: "0", ORDERMESH_RPC_PORT: "0", ORDERMESH_LOG_LEVEL: "silent", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const untilMs = performance.now() + startMsMax;
  while (!output.includes("is ready")) {
    if (child.exitCode !== null || performance.now() > untilMs) throw new Error(`the mesh did not start:\n${output}`);
    await sleep(50);
  }
  return { child, output };
}

/** The value below which the given share of all lies. */
export const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((one, other) => one - other)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
