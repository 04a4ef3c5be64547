// Brings one service up: schema, wiring, consumers, relay and due work under leases.
import type { Kysely } from "kysely";
import { sealTask } from "./audit-log/seal-task.ts";
import type { Background } from "./background.ts";
import type { Clock } from "./clock.ts";
import { checkApplicationRole } from "./database/application-role.ts";
import { connectDatabase, type ServiceDatabase } from "./database/connect.ts";
import { migrateUp } from "./database/migrate.ts";
import { maintainPartitions, readAuditLogDays } from "./database/partitions.ts";
import type { Sending } from "./database/send-together.ts";
import { analyzeYoungTables } from "./database/young-tables.ts";
import { consumerTasks } from "./events/consume.ts";
import { eventContract } from "./events/contract.ts";
import type { Bus } from "./events/bus.ts";
import type { EventHub } from "./events/hub.ts";
import { wakeUpSubject } from "./events/permissions.ts";
import { createRelay, type Relay } from "./events/relay.ts";
import { storedEvents } from "./events/stored-events.ts";
import { ensureConsumer, ensureConsumers, storedSubjects } from "./events/streams.ts";
import { startLeaseKeeper, type LeasedTask, type LeaseKeeper } from "./lease/lease-keeper.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { ServiceClients } from "./rpc/clients.ts";
import { dueTask, dueTaskName, sleepMsMax } from "./schedule/due-runner.ts";
import { assertJobs, jobWork } from "./schedule/jobs.ts";
import { declareJobs } from "./schedule/job-store.ts";
import type { ServiceDefinition, ServiceParts, ServiceRuntime } from "./service.ts";
import type { Environment } from "./settings.ts";
import { createWaves, waveMs } from "./waves.ts";
import { createSharedWakeUp, type SharedWakeUp } from "./shared-wake-up.ts";

export interface StartOptions {
  /** Of the owner of the tables. */
  databaseUrl: string;
  /** Of a login of its own for the work; without it the owner's login becomes the application's role. */
  applicationDatabaseUrl?: string | undefined;
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
/** Its migrations need one for their lock. Later there is mostly none: an idle connection is closed. */
const ownerConnectionsMax = 2;
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
      subject: wakeUpSubject(name, task),
      runsHere: () => leases?.held().includes(task) === true,
    });
  const relayWakeUp = wakeUpOf(relayTaskName);
  const wakeInWaves = createWaves({ everyMs: waveMs, begin: relayWakeUp.wake });
  const dueWakeUp = wakeUpOf(dueTaskName);
  let hasWritten = false;
  const owner = connectDatabase<never>({
    url: options.databaseUrl,
    as: "owner",
    schema: name,
    connectionsMax: ownerConnectionsMax,
    log,
    onCommit: () => {},
  });
  const database = connectDatabase<never>({
    url: options.applicationDatabaseUrl ?? options.databaseUrl,
    as: "application",
    schema: name,
    connectionsMax: options.connectionsMax,
    log,
    onCommit: ({ events, dueInMs }) => {
      if (events === "now") relayWakeUp.wake();
      if (events === "in_waves") wakeInWaves.wake();
      // What is due later is found in time without being told of it.
      if (dueInMs !== undefined && dueInMs <= sleepMsMax) dueWakeUp.wake();
      hasWritten = true;
    },
    sending: countSending(metrics, name),
  });
  const { db } = database.system;
  try {
    await migrateUp(owner.db, { schema: name, folder: migrations });
    const auditLogDays = readAuditLogDays(options.env);
    await maintainPartitions(owner.db, { schema: name, now: clock.now(), auditLogDays });
    await checkApplicationRole(db, { schema: name, isApart: options.applicationDatabaseUrl !== undefined });
    const runtime: ServiceRuntime<never> = {
      db: database.db,
      transaction: database.transaction,
      system: database.system,
      client: options.clients.client,
      clientOf: options.clients.clientOf,
      onEvent: following(definition, hub),
      storedSubjects: (filter) => storedSubjects(manager, filter),
      storedEvents: (filter, messagesMax) => storedEvents(manager, { filter, messagesMax }),
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
    const sealing = sealTask({ service: name, database: database.system, background, clock });
    const tasks: LeasedTask[] = [{ name: relayTaskName, run: relay.run }, sealing];
    const { jobs = [] } = parts;
    assertJobs(jobs);
    await database.system.transaction((tx) => declareJobs(tx, jobs));
    const works = [...(parts.dueWork ?? []), ...(jobs.length > 0 ? [jobWork(db, jobs)] : [])];
    if (works.length > 0) tasks.push(dueTask({ db, database: database.system, works, wakeUp: dueWakeUp, background, log }));
    if (hears.length > 0) {
      const { retryDelaysMs } = options;
      const { gatherEventsMs = 0 } = parts;
      const shared = { db, database: database.system, js, background, log };
      const consuming = consumerTasks({ ...hearing, ...shared, retryDelaysMs, gatherEventsMs });
      tasks.push(
        ...consuming.map((task, partition) => restoring(task, (signal) => ensureConsumer(manager, hearing, partition, signal))),
      );
    }
    for (const { name, run } of parts.tasks ?? []) tasks.push({ name, run: (lease, signal) => run(bus, lease, signal) });
    const care = setInterval(
      () => void takeCareOfPartitions(owner.db, { schema: name, clock, auditLogDays, log }),
      partitionCareEveryMs,
    );
    const analyzing = setInterval(() => {
      if (!hasWritten) return;
      hasWritten = false;
      void analyzeYoungTables(owner.db, name).catch((error: unknown) => {
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
        wakeInWaves.close();
        relayWakeUp.close();
        dueWakeUp.close();
        clearInterval(care);
        clearInterval(analyzing);
        await leases?.stop();
        await Promise.all([database.close(), owner.close()]);
      },
    };
  } catch (error) {
    await Promise.all([database.close(), owner.close()]);
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

/** What is not declared the server may refuse, and then nobody would be told. */
function following({ name, follows = [] }: ServiceDefinition, hub: EventHub): EventHub["on"] {
  return (subject, listener) => {
    if (!follows.includes(subject)) throw new Error(`${name} listens to ${subject}: name it in the definition's follows`);
    return hub.on(subject, listener);
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
