// The connection to NATS and what is made of it, for those who work on streams themselves.
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { EventHub } from "./hub.ts";

export interface Bus {
  connection: NatsConnection;
  js: JetStreamClient;
  manager: JetStreamManager;
  hub: EventHub;
  /** Begins the subjects to which answers come; the client's own where it is undefined. */
  inboxPrefix: string | undefined;
  /** Makes the declared streams where they are gone, as when somebody has deleted one. Waits for NATS until the signal aborts. */
  restoreStreams(signal?: AbortSignal): Promise<void>;
  /** Sends what is not yet sent, where the server is there to take it. */
  close(): Promise<void>;
}
