// A NATS of its own for a test file: streams have fixed names, so files cannot share one.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";
import { startNats } from "#runtime/backing/nats.ts";
import { resolveBacking } from "#runtime/backing/resolve.ts";

export interface TestNats {
  url: string;
  stop(): Promise<void>;
}

/** A container where a Docker engine answers, else a server of our own. */
export async function testNats(): Promise<TestNats> {
  const backing = await resolveBacking({ databaseUrl: inject("databaseUrl"), durable: false, allowContainers: true });
  return { url: backing.natsUrl, stop: backing.stop };
}

export interface FailingNats extends TestNats {
  /** Ends the server; what it stored stays. */
  pause(): Promise<void>;
  /** Starts it again where it was. */
  resume(): Promise<void>;
}

/** A server of our own, for tests that take it away and bring it back on the same port. */
export async function failingNats(): Promise<FailingNats> {
  const storeFolder = await mkdtemp(join(tmpdir(), "ordermesh-nats-"));
  const start = (port?: number) => startNats({ storeFolder, port, syncAlways: false });
  let server = await start();
  return {
    url: server.url,
    pause: () => server.stop(),
    resume: async () => {
      server = await start(server.port);
    },
    stop: async () => {
      await server.stop();
      await rm(storeFolder, { recursive: true, force: true });
    },
  };
}
