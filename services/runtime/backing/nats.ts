import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startChild, type Child } from "./child.ts";
import { findNatsServer } from "./nats-binary.ts";
import { previousServerEnded } from "./previous-server.ts";
import { StartupError } from "./startup-error.ts";
import { waitUntil } from "./wait-until.ts";

const host = "127.0.0.1";
const startTimeoutMs = 20_000;

export interface NatsOptions {
  /** Where streams are kept; a temporary folder, removed at the end, when absent. */
  storeFolder?: string | undefined;
  /** TCP port on the loopback interface; a free one when absent. */
  port?: number | undefined;
  /** Flush every publish to disk before it is acknowledged. Default true. */
  syncAlways?: boolean | undefined;
  onProgress?: ((message: string) => void) | undefined;
}

export interface NatsServer {
  url: string;
  port: number;
  version: string;
  /** Ends the server in order. */
  stop: () => Promise<void>;
  /** Ends the server as a crash would. */
  kill: () => Promise<void>;
  /** Resolves when the server has ended, for whatever reason. */
  exited: Promise<void>;
}

/** Starts a JetStream server on the loopback interface. StartupError when no binary is found or the server does not come up in 20 s. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const binary = await findNatsServer({ onProgress: options.onProgress });
  const folder = await storeFolder(options.storeFolder);
  const configFile = join(folder, "server.conf");
  const reportFolder = join(folder, "ports");
  await previousServerEnded({ name: "The NATS server", pidFile: join(folder, "server.pid"), commandPart: configFile });
  await rm(reportFolder, { recursive: true, force: true });
  await mkdir(reportFolder, { recursive: true });
  await writeFile(configFile, serverConfig({ folder, reportFolder, port: options.port, syncAlways: options.syncAlways ?? true }));

  const child = startChild({
    command: binary.path,
    args: ["--config", configFile],
    env: { PATH: process.env["PATH"] ?? "" },
    workingFolder: folder,
    stopSignal: "SIGTERM",
    removeAfterwards: options.storeFolder === undefined ? folder : undefined,
  });
  const port = await reportedPort(child, reportFolder);
  if (port === undefined) {
    await child.kill();
    throw new StartupError(`nats-server did not start: read what it wrote below, or set NATS_URL.\n${child.logTail()}`);
  }
  return {
    url: `nats://${host}:${port}`,
    port,
    version: binary.version,
    stop: child.stop,
    kill: child.kill,
    exited: child.exited,
  };
}

async function storeFolder(given: string | undefined): Promise<string> {
  if (given === undefined) return mkdtemp(join(tmpdir(), "ordermesh-nats-"));
  await mkdir(given, { recursive: true });
  // One spelling for one folder, whatever links lead to it: an earlier server is recognised by it.
  return realpath(given);
}

interface ServerConfig {
  folder: string;
  reportFolder: string;
  port: number | undefined;
  syncAlways: boolean;
}

function serverConfig({ folder, reportFolder, port, syncAlways }: ServerConfig): string {
  const jetstream = { store_dir: folder, ...(syncAlways ? { sync_interval: "always" } : {}) };
  // JSON is a subset of the server's own notation. Port -1 lets the server choose and report: no race for a free one.
  const config = { host, port: port ?? -1, pid_file: join(folder, "server.pid"), ports_file_dir: reportFolder, jetstream };
  return JSON.stringify(config, undefined, 2);
}

/** The report is written once the server listens, so it tells readiness as well. */
async function reportedPort(child: Child, reportFolder: string): Promise<number | undefined> {
  let port: number | undefined;
  await waitUntil(
    async () => {
      port = await readReport(reportFolder);
      return port !== undefined || child.hasExited();
    },
    { timeoutMs: startTimeoutMs },
  );
  return port;
}

async function readReport(reportFolder: string): Promise<number | undefined> {
  // A server that failed has taken its temporary folder with it.
  const [name] = await readdir(reportFolder).catch(() => []);
  if (name === undefined) return undefined;
  try {
    const report: { nats?: string[] } = JSON.parse(await readFile(join(reportFolder, name), "utf8"));
    const url = report.nats?.[0];
    return url === undefined ? undefined : Number(new URL(url).port);
  } catch {
    // Half written: the next look sees the rest.
    return undefined;
  }
}
