// The connection to NATS: it reconnects for ever, because what waits in the outbox must go out.
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import type { NatsAccess } from "../backing/nats-access.ts";
import { natsConnectionOptions } from "../backing/nats-url.ts";
import type { Logger } from "../log.ts";

const reconnectWaitMs = 250;
/** A server that is silent, not gone, is left after two to three of these. */
const pingEveryMs = 1_000;
/**
 * For questions to JetStream. While leaders change an answer may never come, and who waits for it long does nothing else
 * meanwhile.
 */
export const jetStreamTimeoutMs = 1_500;

/** Connects, or throws where nothing answers within five seconds. */
export async function connectNats(options: {
  url: string;
  access: NatsAccess;
  name: string;
  log: Logger;
}): Promise<NatsConnection> {
  const connection = await connect({
    ...natsConnectionOptions(options.url, options.access),
    name: options.name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnectWaitMs,
    timeout: 5_000,
    pingInterval: pingEveryMs,
    maxPingOut: 2,
  });
  void logStatus(connection, options.log);
  return connection;
}

/** What is left to be sent has so long to go out: a server that is away answers nothing, and would be waited for for ever. */
const drainMsMax = 2_000;

/** Closes it when all is sent, or when there was time enough. */
export async function closeConnection(connection: NatsConnection): Promise<void> {
  const isDrained = connection.drain().then(
    () => true,
    () => false,
  );
  const timer = new AbortController();
  const isLate = sleep(drainMsMax, false, { signal: timer.signal }).catch(() => false);
  const isDone = await Promise.race([isDrained, isLate]);
  timer.abort();
  if (!isDone) await connection.close();
}

async function logStatus(connection: NatsConnection, log: Logger): Promise<void> {
  for await (const status of connection.status()) {
    switch (status.type) {
      case "disconnect":
        log.warn({ server: status.server }, "nats_disconnected");
        break;
      case "reconnect":
        log.info({ server: status.server }, "nats_reconnected");
        break;
      case "error":
        log.warn({ error: status.error.message }, "nats_error");
        break;
      case "ping":
      case "staleConnection":
      case "forceReconnect":
      case "update":
      case "ldm":
      case "reconnecting":
      case "slowConsumer":
      case "close":
        break;
    }
  }
}
