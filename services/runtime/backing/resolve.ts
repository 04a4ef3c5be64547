// Where the services find PostgreSQL and NATS: given URLs, containers in tests, or servers of our own.
import { join } from "node:path";
import { dockerAnswers, startNatsContainer, startPostgresContainer, type Container } from "./containers.ts";
import { createDataFolder } from "./data-folder.ts";
import { errorReason } from "./error-details.ts";
import { lockFolder } from "./folder-lock.ts";
import { startNats } from "./nats.ts";
import type { NatsAccess } from "./nats-access.ts";
import { startPostgres } from "./postgres.ts";
import { redactUrl } from "./redact-url.ts";
import { verifyDatabase, verifyNats } from "./verify.ts";

export interface BackingOptions {
  /** A PostgreSQL that is already there. */
  databaseUrl?: string | undefined;
  /** A NATS server that is already there. */
  natsUrl?: string | undefined;
  /** As whom the given one is asked. */
  natsAccess?: NatsAccess | undefined;
  /** Where our own servers keep their data; temporary folders, removed at the end, when absent. */
  dataFolder?: string | undefined;
  /** Whether what is acknowledged survives a crash of the machine. False is faster and for tests only. */
  durable: boolean;
  /** Prefer containers where a Docker engine answers; for tests. */
  allowContainers: boolean;
  /** Hears of work that takes seconds, such as fetching a server once. */
  onProgress?: ((message: string) => void) | undefined;
}

export interface Backing {
  databaseUrl: string;
  natsUrl: string;
  /** One line each for a log, without credentials. */
  describe: { database: string; nats: string };
  /** Resolves with its description when a server of our own has ended, also when stop ended it. */
  ended: Promise<string>;
  /** Ends what was started here, in order; given servers are left alone. */
  stop: () => Promise<void>;
}

interface Part {
  url: string;
  description: string;
  stop: () => Promise<void>;
  /** Of servers of our own. */
  exited?: Promise<void>;
}

type Place = { containers: boolean; folder: string | undefined };

/**
 * Order: URL in the environment; (tests only) a container where Docker answers; else the embedded servers.
 * Either both are there when this resolves or nothing is left running. StartupError when one cannot be had as configured.
 */
export async function resolveBacking(options: BackingOptions): Promise<Backing> {
  const isAllGiven = Boolean(options.databaseUrl && options.natsUrl);
  const containers = !isAllGiven && options.allowContainers && (await dockerAnswers());
  const folder = !isAllGiven && options.dataFolder ? await createDataFolder(options.dataFolder) : undefined;
  const release = folder === undefined ? async () => {} : await lockFolder(folder);

  const place = { containers, folder };
  const starts = await Promise.allSettled([resolveDatabase(options, place), resolveNats(options, place)]);
  const [database, nats] = starts;
  const stop = async (): Promise<void> => {
    // The lock comes last: until then the servers still write in the folder.
    const started = starts.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
    await Promise.allSettled(started.map((part) => part.stop()));
    await release();
  };
  if (database.status === "rejected" || nats.status === "rejected") {
    await stop();
    throw startFailure([database, nats]);
  }
  return {
    databaseUrl: database.value.url,
    natsUrl: nats.value.url,
    describe: { database: database.value.description, nats: nats.value.description },
    ended: firstEnded([database.value, nats.value]),
    stop,
  };
}

function firstEnded(parts: readonly Part[]): Promise<string> {
  const own = parts.flatMap(({ exited, description }) => (exited ? [exited.then(() => description)] : []));
  // Without servers of our own it never resolves.
  return Promise.race(own);
}

function startFailure(starts: PromiseSettledResult<Part>[]): unknown {
  return starts.find((start) => start.status === "rejected")?.reason;
}

async function resolveDatabase(options: BackingOptions, { containers, folder }: Place): Promise<Part> {
  const { databaseUrl, durable, onProgress } = options;
  if (databaseUrl) return given(databaseUrl, `PostgreSQL ${await verifyDatabase(databaseUrl)}`);
  const container = containers ? await orNothing(startPostgresContainer({ durable }), onProgress) : undefined;
  if (container) return contained(container);
  const server = await startPostgres({ dataFolder: folder && join(folder, "postgres"), durable, onProgress });
  return {
    url: server.url(),
    description: describeOwn(`PostgreSQL ${server.version}`, { port: server.port, folder }),
    stop: server.stop,
    exited: server.exited,
  };
}

async function resolveNats(options: BackingOptions, { containers, folder }: Place): Promise<Part> {
  const { natsUrl, natsAccess = {}, durable, onProgress } = options;
  if (natsUrl) return given(natsUrl, `NATS ${await verifyNats(natsUrl, { access: natsAccess })}`);
  const container = containers ? await orNothing(startNatsContainer(), onProgress) : undefined;
  if (container) return contained(container);
  const server = await startNats({ storeFolder: folder && join(folder, "nats"), syncAlways: durable, onProgress });
  return {
    url: server.url,
    description: describeOwn(`NATS ${server.version}`, { port: server.port, folder }),
    stop: server.stop,
    exited: server.exited,
  };
}

function given(url: string, product: string): Part {
  return { url, description: `${product} at ${redactUrl(url)}`, stop: async () => {} };
}

function contained({ url, image, stop }: Container): Part {
  return { url, description: `container ${image} at ${redactUrl(url)}`, stop };
}

function describeOwn(product: string, { port, folder }: { port: number; folder: string | undefined }): string {
  return `${product} on 127.0.0.1:${port}, data in ${folder ?? "a temporary folder"}`;
}

/** An engine that answers may still be unable to fetch an image; our own servers then do as well. */
async function orNothing(start: Promise<Container>, onProgress: BackingOptions["onProgress"]): Promise<Container | undefined> {
  try {
    return await start;
  } catch (error) {
    onProgress?.(`no container, starting the server directly: ${errorReason(error)}`);
    return undefined;
  }
}
