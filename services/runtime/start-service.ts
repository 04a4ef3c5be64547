// Brings one service up: schema, wiring, consumers, relay and due work under leases.
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { Kysely } from "kysely";
import type { Clock } from "./clock.ts";
import { connectDatabase, type ServiceDatabase } from "./database/connect.ts";
import { migrateUp } from "./database/migrate.ts";
import { maintainPartitions } from "./database/partitions.ts";
import { consumerTasks } from "./events/consume.ts";
import { eventContract } from "./events/contract.ts";
import type { EventHub } from "./events/hub.ts";
import { createRelay, type Relay } from "./events/relay.ts";
import { ensureConsumers } from "./events/streams.ts";
import { startLeaseKeeper, type LeasedTask } from "./lease/lease-keeper.ts";
import type { Logger } from "./log.ts";
import type { Clients } from "./rpc/clients.ts";
import { dueTask } from "./schedule/due-runner.ts";
import type { ServiceDefinition, ServiceParts, ServiceRuntime } from "./service.ts";
import type { Environment } from "./settings.ts";
import { createWakeUp } from "./wake-up.ts";

export interface StartOptions {
  databaseUrl: string;
  connectionsMax: number;
  partitions: number;
  retryDelaysMs: readonly number[];
  clock: Clock;
  log: Logger;
  env: Environment;
  holder: string;
  js: JetStreamClient;
  manager: JetStreamManager;
  hub: EventHub;
  clients: Clients;
}

export interface RunningService {
  name: string;
  migrations: URL;
  database: ServiceDatabase<never>;
  parts: ServiceParts;
  relay: Relay;
  stop(): Promise<void>;
}

const partitionCareEveryMs = 3_600_000;

export async function startService(definition: ServiceDefinition, options: StartOptions): Promise<RunningService> {
  const { name, migrations } = definition;
  const { clock, js, manager, partitions, holder } = options;
  const log = options.log.child({ service: name });
  assertEvents(definition);
  const relayWakeUp = createWakeUp();
  const dueWakeUp = createWakeUp();
  const database = connectDatabase<never>({
    url: options.databaseUrl,
    schema: name,
    connectionsMax: options.connectionsMax,
    log,
    onCommit: ({ events, dueWork }) => {
      if (events) relayWakeUp.wake();
      if (dueWork) dueWakeUp.wake();
    },
  });
  const { db } = database;
  try {
    await migrateUp(db, { schema: name, folder: migrations });
    await maintainPartitions(db, { schema: name, now: clock.now() });
    const runtime: ServiceRuntime<never> = {
      db,
      transaction: database.transaction,
      client: options.clients.client,
      onEvent: options.hub.on,
      clock,
      log,
      env: options.env,
    };
    const parts = definition.create(runtime);
    const hears = parts.hears ?? [];
    if (hears.length > 0) await ensureConsumers(manager, { service: name, hears, partitions });
    const relay = createRelay({ db, js, wakeUp: relayWakeUp, log });
    const tasks: LeasedTask[] = [{ name: "relay", run: relay.run }];
    if (parts.dueWork) tasks.push(dueTask({ db, database, works: parts.dueWork, wakeUp: dueWakeUp, clock, log }));
    if (hears.length > 0) {
      tasks.push(
        ...consumerTasks({ service: name, hears, partitions, db, database, js, retryDelaysMs: options.retryDelaysMs, log }),
      );
    }
    const leases = startLeaseKeeper({ db, holder, tasks, log });
    const care = setInterval(() => void takeCareOfPartitions(db, { schema: name, clock, log }), partitionCareEveryMs);
    return {
      name,
      migrations,
      database,
      parts,
      relay,
      stop: async () => {
        clearInterval(care);
        await leases.stop();
        await database.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Every event that may be sent must say how it travels; found at start, not at the first order. */
function assertEvents({ emits }: ServiceDefinition): void {
  for (const file of emits) {
    // Messages that are only parts of events have no key of their own.
    const parts = new Set(file.messages.flatMap((message) => message.fields.map((field) => field.message)));
    for (const message of file.messages) if (!parts.has(message)) eventContract(message);
  }
}

async function takeCareOfPartitions(
  db: Kysely<never>,
  { schema, clock, log }: { schema: string; clock: Clock; log: Logger },
): Promise<void> {
  try {
    await maintainPartitions(db, { schema, now: clock.now() });
  } catch (error) {
    log.warn({ error: (error as Error).message }, "partition_care_failed");
  }
}
