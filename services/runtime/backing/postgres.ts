import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startChild, type Child } from "./child.ts";
import { freePort } from "./free-port.ts";
import { findPostgresBinaries, type PostgresBinaries } from "./postgres-binaries.ts";
import { postgresEnv, preparePostgresFolder } from "./postgres-folder.ts";
import { postgresUser } from "./postgres-user.ts";
import { previousServerEnded } from "./previous-server.ts";
import { StartupError } from "./startup-error.ts";
import { waitUntil } from "./wait-until.ts";

const host = "127.0.0.1";
// Recovery after a crash replays the log before the server is ready.
const startTimeoutMs = 60_000;
const retryTimeoutMs = 10_000;
const retryDelayMs = 50;

export interface PostgresOptions {
  /** Where the database is kept; a temporary folder, removed at the end, when absent. */
  dataFolder?: string | undefined;
  /** TCP port on the loopback interface; a free one when absent. */
  port?: number | undefined;
  /** Whether a commit survives a crash of the machine. False is faster and for tests only. */
  durable: boolean;
  onProgress?: ((message: string) => void) | undefined;
}

export interface PostgresServer {
  /** The superuser's URL, password included; `database` defaults to "postgres". */
  url: (database?: string) => string;
  port: number;
  version: string;
  /** Ends the server in order, cutting off its clients. */
  stop: () => Promise<void>;
  /** Ends the server as a crash would. */
  kill: () => Promise<void>;
  /** Resolves when the server has ended, for whatever reason. */
  exited: Promise<void>;
}

/** Starts PostgreSQL on the loopback interface. StartupError when it cannot use the folder or does not come up in 60 s. */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const binaries = await findPostgresBinaries(options.onProgress);
  const deadline = performance.now() + retryTimeoutMs;
  for (;;) {
    const launched = await launch(binaries, options);
    if (launched.ready) return launched.server;
    const worthRetrying = isPassing(launched.log, { portChosen: options.port === undefined });
    if (!worthRetrying || performance.now() > deadline) {
      throw new StartupError(`PostgreSQL did not start: read what it wrote below, or set DATABASE_URL.\n${launched.log}`);
    }
    await delay(retryDelayMs);
  }
}

type Launch = { ready: true; server: PostgresServer } | { ready: false; log: string };

async function launch(binaries: PostgresBinaries, options: PostgresOptions): Promise<Launch> {
  const { dataFolder, durable, onProgress } = options;
  const folder = await preparePostgresFolder({ binaries, dataFolder, durable, onProgress });
  const pidFile = join(folder.path, "postmaster.pid");
  await previousServerEnded({ name: "The PostgreSQL server", pidFile, commandPart: folder.path });
  const port = options.port ?? (await freePort());
  const child = startChild({
    command: binaries.postgres,
    args: ["-D", folder.path, "-p", String(port), "-k", "", ...settings(durable)],
    env: postgresEnv,
    workingFolder: folder.path,
    stopSignal: "SIGINT",
    runAs: postgresUser,
    removeAfterwards: folder.removeAfterwards,
  });
  if (!(await becomesReady(child, pidFile))) {
    await child.kill();
    return { ready: false, log: child.logTail() };
  }
  const url = (database = "postgres"): string =>
    `postgres://postgres:${folder.password}@${host}:${port}/${encodeURIComponent(database)}`;
  return {
    ready: true,
    server: { url, port, version: binaries.version, stop: child.stop, kill: child.kill, exited: child.exited },
  };
}

/** A killed server's last workers hold its memory for a moment, and a free port can be taken before PostgreSQL binds it. */
function isPassing(log: string, { portChosen }: { portChosen: boolean }): boolean {
  return log.includes("is still in use") || (portChosen && log.includes("Address already in use"));
}

function settings(durable: boolean): string[] {
  const values = {
    listen_addresses: host,
    max_connections: "400",
    timezone: "UTC",
    log_timezone: "UTC",
    // A client that hangs inside a transaction must not hold its locks for ever.
    idle_in_transaction_session_timeout: "60s",
    ...(durable ? {} : { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }),
  };
  return Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

/** The pid file of an earlier server may still say "ready", so its first line must be ours. */
async function becomesReady(child: Child, pidFile: string): Promise<boolean> {
  let ready = false;
  await waitUntil(
    async () => {
      const lines = (await readFile(pidFile, "utf8").catch(() => "")).split("\n");
      ready = Number(lines[0]) === child.pid && lines[7]?.trim() === "ready";
      return ready || child.hasExited();
    },
    { timeoutMs: startTimeoutMs },
  );
  return ready;
}
