// Brings one service up: schema, wiring, consumers, relay and due work under leases.
import type { Kysely } from "kysely";
import { sealTask } from "./audit-log/seal-task.ts";
import type { Background } from "./background.ts";
import type { Clock } from "./clock.ts";
import { connectDatabase, type ServiceDatabase } from "./database/connect.ts";
import { migrateUp } from "./database/migrate.ts";
import { maintainPartitions, readAuditLogDays } from "./database/partitions.ts";
import type { Sending } from "./database/send-together.ts";
import { analyzeYoungTables } from "./database/young-tables.ts";
import { consumerTasks } from "./events/consume.ts";
import { eventContract } from "./events/contract.ts";
import type { Bus } from "./events/bus.ts";
import { createRelay, type Relay } from "./events/relay.ts";
import { ensureConsumer, ensureConsumers, storedSubjects } from "./events/streams.ts";
import { startLeaseKeeper, type LeasedTask, type LeaseKeeper } from "./lease/lease-keeper.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { ServiceClients } from "./rpc/clients.ts";
import { dueTask, dueTaskName, sleepMsMax } from "./schedule/due-runner.ts";
import type { ServiceDefinition, ServiceParts, ServiceRuntime } from "./service.ts";
import type { Environment } from "./settings.ts";
import { createSharedWakeUp, type SharedWakeUp } from "./shared-wake-up.ts";

export interface StartOptions {
  databaseUrl: string;
  connectionsMax: number;
  partitions: number;
  retryDelaysMs: readonly number[];
  clock: Clock;
  log: Logger;
  env: Environment;
  holder: string;
  bus: Bus;
  metrics: Metrics;
  clients: ServiceClients;
  /** Of all services of the process. */
  backlogMs: () => number;
  background: Background;
}

export interface RunningService {
  name: string;
  migrations: URL;
  database: ServiceDatabase<never>;
  parts: ServiceParts;
  relay: Relay;
  wakeRelay(): void;
  /** Begins to work; once every service of the process is there to be called. */
  begin(): void;
  stop(): Promise<void>;
}

const relayTaskName = "relay";
const partitionCareEveryMs = 3_600_000;
const analyzeEveryMs = 2_000;

export async function startService(definition: ServiceDefinition, options: StartOptions): Promise<RunningService> {
  const { name, migrations } = definition;
  const { clock, bus, partitions, holder, metrics, background } = options;
  const { js, manager, hub } = bus;
  const log = options.log.child({ service: name });
  assertEvents(definition);
  let leases: LeaseKeeper | undefined;
  const wakeUpOf = (task: string): SharedWakeUp =>
    createSharedWakeUp({
      connection: bus.connection,
      subject: `ordermesh.wake.${name}.${task}`,
      runsHere: () => leases?.held().includes(task) === true,
    });
  const relayWakeUp = wakeUpOf(relayTaskName);
  const dueWakeUp = wakeUpOf(dueTaskName);
  let hasWritten = false;
  const database = connectDatabase<never>({
    url: options.databaseUrl,
    schema: name,
    connectionsMax: options.connectionsMax,
    log,
    onCommit: ({ events, dueInMs }) => {
      if (events) relayWakeUp.wake();
      // What is due later is found in time without being told of it.
      if (dueInMs !== undefined && dueInMs <= sleepMsMax) dueWakeUp.wake();
      hasWritten = true;
    },
    sending: countSending(metrics, name),
  });
  const { db } = database;
  try {
    await migrateUp(db, { schema: name, folder: migrations });
    const auditLogDays = readAuditLogDays(options.env);
    await maintainPartitions(db, { schema: name, now: clock.now(), auditLogDays });
    const runtime: ServiceRuntime<never> = {
      db,
      transaction: database.transaction,
      client: options.clients.client,
      clientOf: options.clients.clientOf,
      onEvent: hub.on,
      storedSubjects: (filter) => storedSubjects(manager, filter),
      backlogMs: options.backlogMs,
      inBackground: background.run,
      clock,
      metrics,
      log,
      env: options.env,
    };
    const parts = definition.create(runtime);
    const hears = parts.hears ?? [];
    const hearing = { service: name, hears, partitions };
    if (hears.length > 0) await ensureConsumers(manager, hearing);
    const relay = createRelay({ service: name, db, bus, wakeUp: relayWakeUp, background, metrics, log });
    const tasks: LeasedTask[] = [{ name: relayTaskName, run: relay.run }];
    if (parts.dueWork) tasks.push(dueTask({ db, database, works: parts.dueWork, wakeUp: dueWakeUp, background, log }));
    if (hears.length > 0) {
      const { retryDelaysMs } = options;
      const consuming = consumerTasks({ ...hearing, db, database, js, retryDelaysMs, background, log });
      tasks.push(
        ...consuming.map((task, partition) => restoring(task, (signal) => ensureConsumer(manager, hearing, partition, signal))),
      );
    }
    const { transaction } = database;
    tasks.push(sealTask({ service: name, db, transaction, background, clock }));
    for (const { name, run } of parts.tasks ?? []) tasks.push({ name, run: (lease, signal) => run(bus, lease, signal) });
    const care = setInterval(
      () => void takeCareOfPartitions(db, { schema: name, clock, auditLogDays, log }),
      partitionCareEveryMs,
    );
    const analyzing = setInterval(() => {
      if (!hasWritten) return;
      hasWritten = false;
      void analyzeYoungTables(db, name).catch((error: unknown) => {
        log.warn({ error: (error as Error).message }, "tables_not_analyzed");
      });
    }, analyzeEveryMs);
    return {
      name,
      migrations,
      database,
      parts,
      relay,
      wakeRelay: relayWakeUp.wake,
      begin: () => {
        leases = startLeaseKeeper({ db, holder, tasks, log });
      },
      stop: async () => {
        relayWakeUp.close();
        dueWakeUp.close();
        clearInterval(care);
        clearInterval(analyzing);
        await leases?.stop();
        await database.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}

function countSending(metrics: Metrics, service: string): Sending {
  const statements = metrics.counter("ordermesh_database_statements_total", "Statements sent to the database", ["service"]);
  const packets = metrics.counter("ordermesh_database_packets_total", "Packets with statements: ways to the database", [
    "service",
  ]);
  return {
    sent: (count) => {
      statements.inc({ service }, count);
      packets.inc({ service });
    },
  };
}

/** A task that has ended may have lost its consumer: before it begins again, that is made anew where it is gone. */
function restoring(task: LeasedTask, restore: (signal: AbortSignal) => Promise<void>): LeasedTask {
  let hasRun = false;
  return {
    name: task.name,
    run: async (lease, signal) => {
      if (hasRun) await restore(signal);
      hasRun = true;
      await task.run(lease, signal);
    },
  };
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
  { schema, clock, auditLogDays, log }: { schema: string; clock: Clock; auditLogDays: number; log: Logger },
): Promise<void> {
  try {
    await maintainPartitions(db, { schema, now: clock.now(), auditLogDays });
  } catch (error) {
    log.warn({ error: (error as Error).message }, "partition_care_failed");
  }
}
