// PostgreSQL and NATS as a shop would run them: what they have acknowledged is on the disk. They can be taken away and come
// back on the same port with the same data.
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { startNats } from "#runtime/backing/nats.ts";
import { startPostgres } from "#runtime/backing/postgres.ts";

export interface BenchServer {
  url: string;
  port: number;
  /** Ends it, by force or in order; what it has stored stays. */
  take(way: "kill" | "clean"): Promise<void>;
  /** Starts it again where it was. */
  bringBack(): Promise<void>;
  stop(): Promise<void>;
}

interface Running {
  port: number;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

async function benchServer<Server extends Running>(
  start: (port?: number) => Promise<Server>,
  urlOf: (server: Server) => string,
): Promise<BenchServer> {
  let server = await start();
  let isUp = true;
  const { port } = server;
  const url = urlOf(server);
  // Two faults may meet at the same server; each finds it as the other has left it.
  let last: Promise<void> = Promise.resolve();
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    last = last.catch(() => {}).then(work);
    return last;
  };
  return {
    url,
    port,
    take: (way) =>
      inTurn(async () => {
        isUp = false;
        await (way === "kill" ? server.kill() : server.stop());
      }),
    bringBack: () =>
      inTurn(async () => {
        if (isUp) return;
        server = await start(port);
        isUp = true;
      }),
    stop: () => inTurn(async () => (isUp ? server.stop() : undefined)),
  };
}

export async function startServers(folder: string): Promise<{ postgres: BenchServer; nats: BenchServer }> {
  // As root, PostgreSQL runs as a user who must be able to come this far.
  await chmod(folder, 0o755);
  const [dataFolder, storeFolder] = [join(folder, "postgres"), join(folder, "nats")];
  await mkdir(storeFolder, { recursive: true });
  const postgres = await benchServer(
    (port) => startPostgres({ dataFolder, port, durable: true }),
    (server) => server.url(),
  );
  try {
    const nats = await benchServer(
      (port) => startNats({ storeFolder, port }),
      (server) => server.url,
    );
    return { postgres, nats };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}
