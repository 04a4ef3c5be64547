// Tells at the start, in one sentence, what would otherwise surface later as a hundred failed requests.
import { setTimeout as delay } from "node:timers/promises";
import { JetStreamApiError, jetstreamManager } from "@nats-io/jetstream";
import { connect, errors, type NatsConnection } from "@nats-io/transport-node";
import { Client } from "pg";
import { errorReason } from "./error-details.ts";
import type { NatsAccess } from "./nats-access.ts";
import { natsVersionMin } from "./nats-binary.ts";
import { natsConnectionOptions } from "./nats-url.ts";
import { redactUrl } from "./redact-url.ts";
import { StartupError } from "./startup-error.ts";
import { compareVersions } from "./version.ts";

const verifyTimeoutMs = 5_000;
const postgresVersionMin = 15;
/** A cluster that has just begun has no leader for some seconds; elections may take more than one round. */
const electionTimeoutMs = 30_000;
const electionPollMs = 500;
/** JetStream's code for a cluster without a leader. */
const noLeader = 10008;

/** Resolves to the server's version; StartupError unless a PostgreSQL 15 or newer answers, each step within `timeoutMs`. */
export async function verifyDatabase(url: string, { timeoutMs = verifyTimeoutMs } = {}): Promise<string> {
  const where = `The database at ${redactUrl(url)}`;
  const { product, version } = await askDatabase(url, timeoutMs).catch((error: unknown) => {
    throw new StartupError(`${where} does not answer (${errorReason(error)}): start it, or correct DATABASE_URL.`);
  });
  if (!product.startsWith("PostgreSQL")) {
    throw new StartupError(`${where} is not PostgreSQL: point DATABASE_URL at a PostgreSQL ${postgresVersionMin} or newer.`);
  }
  if (Number.parseInt(version, 10) < postgresVersionMin) {
    throw new StartupError(`${where} is PostgreSQL ${version}: point DATABASE_URL at version ${postgresVersionMin} or newer.`);
  }
  return version;
}

async function askDatabase(url: string, timeoutMs: number): Promise<{ product: string; version: string }> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: timeoutMs, query_timeout: timeoutMs });
  // A connection lost after the answer would otherwise end the process.
  client.on("error", () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ product: string; version: string }>(
      "select version() as product, current_setting('server_version') as version",
    );
    return rows[0] ?? { product: "", version: "" };
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * Resolves to the server's version; StartupError unless a NATS 2.12 or newer with JetStream answers, each step within
 * `timeoutMs`. A cluster is given 30 s to find its leader.
 */
export async function verifyNats(
  url: string,
  { timeoutMs = verifyTimeoutMs, access = {} }: { timeoutMs?: number; access?: NatsAccess } = {},
): Promise<string> {
  const where = `The NATS server at ${redactUrl(url)}`;
  const connection = await connectOnce(url, { timeoutMs, access }).catch((error: unknown) => {
    const settings = access.tls || access.user ? "NATS_URL or the settings ORDERMESH_NATS_…" : "NATS_URL";
    throw new StartupError(`${where} does not answer (${errorReason(error)}): start it, or correct ${settings}.`);
  });
  try {
    const version = connection.info?.version ?? "0";
    if (compareVersions(version.split("-")[0] ?? "", natsVersionMin) < 0) {
      throw new StartupError(`${where} is version ${version}: point NATS_URL at version ${natsVersionMin} or newer.`);
    }
    const problem = await jetstreamProblem(connection, timeoutMs);
    if (problem === undefined) return version;
    throw new StartupError(`${where} offers no JetStream (${problem}): start it with -js, or point NATS_URL at one that does.`);
  } finally {
    await connection.close();
  }
}

async function connectOnce(
  url: string,
  { timeoutMs, access }: { timeoutMs: number; access: NatsAccess },
): Promise<NatsConnection> {
  return connect({ ...natsConnectionOptions(url, access), timeout: timeoutMs, reconnect: false, maxReconnectAttempts: 0 });
}

async function jetstreamProblem(connection: NatsConnection, timeoutMs: number): Promise<string | undefined> {
  if (!connection.info?.jetstream) return "not enabled";
  // A server that has it may still deny it to this account; the manager asks for the account's limits.
  const endMs = performance.now() + electionTimeoutMs;
  for (;;) {
    const problem = await jetstreamManager(connection, { timeout: Math.min(timeoutMs, 1_500) }).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (problem === undefined) return undefined;
    if (!isLeaderless(problem, connection) || performance.now() > endMs) return errorReason(problem);
    await delay(electionPollMs);
  }
}

function isLeaderless(problem: unknown, { info }: NatsConnection): boolean {
  if (!info?.cluster) return false;
  return problem instanceof errors.TimeoutError || (problem instanceof JetStreamApiError && problem.code === noLeader);
}
