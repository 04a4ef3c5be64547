// Runs services in this process: databases, streams, consumers, one RPC port. Knows no service.
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { ConnectRouter, Transport } from "@connectrpc/connect";
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { sql, type Kysely } from "kysely";
import { AuditLogService } from "#gen/ordermesh/auditlog/v1/auditlog_service_pb.ts";
import { DeliveryService } from "#gen/ordermesh/delivery/v1/delivery_service_pb.ts";
import { KeysService } from "#gen/ordermesh/identity/v1/keys_service_pb.ts";
import { HistoryService } from "#gen/ordermesh/history/v1/history_service_pb.ts";
import { PrivacyService } from "#gen/ordermesh/privacy/v1/privacy_service_pb.ts";
import { ScheduleService } from "#gen/ordermesh/schedule/v1/schedule_service_pb.ts";
import { hostname } from "node:os";
import { randomBytes } from "node:crypto";
import { createGuard } from "./access/guard.ts";
import { clientSecretOf, keyFor, readIssuer } from "./access/settings.ts";
import type { VerifyToken } from "./access/verify-token.ts";
import { createAdmission, type Admission } from "./admission/admission.ts";
import { readAdmissionLimits } from "./admission/settings.ts";
import { auditLogRoutes } from "./audit-log/audit-log-service.ts";
import { createRefusalLog } from "./audit-log/refusals.ts";
import { createBackground } from "./background.ts";
import { readNatsAccess } from "./backing/nats-access.ts";
import { inboxPrefixOf } from "./backing/nats-url.ts";
import { systemClock, type Clock } from "./clock.ts";
import { connectDatabase, type ServiceDatabase } from "./database/connect.ts";
import { pendingMigrations } from "./database/migrate.ts";
import { deliveryRoutes, type DeliveringService } from "./delivery/delivery-service.ts";
import { closeConnection, connectNats, jetStreamTimeoutMs } from "./events/connect.ts";
import type { Bus } from "./events/bus.ts";
import { createEventHub } from "./events/hub.ts";
import { ensureStreams, eventStream } from "./events/streams.ts";
import { createForeground } from "./foreground.ts";
import { historyRoutes, type KnowingService } from "./history/history-service.ts";
import { readTrustedProxies } from "./limits/client-address.ts";
import { readConnectionBounds } from "./limits/connection-bounds.ts";
import { createLimits } from "./limits/limits.ts";
import { readLimitSettings } from "./limits/settings.ts";
import { createVouching } from "./limits/vouching.ts";
import type { Logger } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import { privacyRoutes } from "./privacy/privacy-service.ts";
import { addReflection } from "./rpc/reflection.ts";
import { addressesFromEnvironment } from "./rpc/addresses.ts";
import { readStreamBounds } from "./rpc/bound-streams.ts";
import { createOriginOf } from "./rpc/call-origin.ts";
import { createClients, type Clients, type ServiceClients } from "./rpc/clients.ts";
import { createHealth, type Health } from "./rpc/health.ts";
import { routerOptions } from "./rpc/interceptors.ts";
import { createCallLimits } from "./rpc/limit-calls.ts";
import { assertPolicies } from "./rpc/policy.ts";
import { compileValidator } from "./rpc/validation.ts";
import { serveProbes } from "./rpc/probes.ts";
import { serveRpc } from "./rpc/server.ts";
import { scheduleRoutes } from "./schedule/schedule-service.ts";
import type { ServiceDefinition } from "./service.ts";
import { numberSetting, type Environment } from "./settings.ts";
import { startService, type RunningService } from "./start-service.ts";
import { readTlsSettings, rpcTlsNames } from "./tls/settings.ts";
import { openTlsFiles } from "./tls/tls-files.ts";

export interface HostOptions {
  definitions: readonly ServiceDefinition[];
  databaseUrl: string;
  /** Where the work logs in by itself, and not with the login that owns the tables. */
  applicationDatabaseUrl?: string | undefined;
  natsUrl: string;
  host: string;
  rpcPort: number;
  partitions: number;
  streamReplicas: number;
  /** Events whose oldest unpublished one is older make the process not ready. Milliseconds. */
  relayLagMsMax: number;
  retryDelaysMs: readonly number[];
  connectionsMax: number;
  tenant: string;
  clock?: Clock;
  /** Stands before the verification by identity's keys, so that it can be measured what that costs. */
  aroundVerify?: (verify: VerifyToken) => VerifyToken;
  log: Logger;
  env: Environment;
}

export interface Host {
  rpcPort: number;
  /** Whether that port speaks TLS. */
  isRpcSecure: boolean;
  health: Health;
  /** Of all ports of the process: a call counts once, at the port where it comes in. */
  admission: Admission;
  /** Where a service is: in this process, or at its address. For callers from outside, who show a token. */
  transportFor(service: DescService): Transport;
  /** Calls as the composition itself, which is a service like the others. */
  clients: ServiceClients;
  /** Accepts no more, finishes what is in hand, gives leases back. */
  close(): Promise<void>;
}

const closeGraceMs = 5_000;
/** What every process offers for the services that run in it. */
const servicesOfAll = [DeliveryService, AuditLogService, PrivacyService, ScheduleService, HistoryService];

export async function startHost(options: HostOptions): Promise<Host> {
  const { definitions, log, env, tenant } = options;
  const ownServices = definitions.flatMap((definition) => definition.services);
  const services = definitions.length > 0 ? [...ownServices, ...servicesOfAll] : ownServices;
  assertPolicies(services);
  const limitSettings = readLimitSettings(env);
  const trustsProxy = readTrustedProxies(env);
  const streamBounds = readStreamBounds(env);
  const connectionBounds = readConnectionBounds(env, "ORDERMESH_RPC_CONNECTIONS_PER_ADDRESS");
  const tlsSettings = readTlsSettings(env, rpcTlsNames);
  const probePort = numberSetting(env, "ORDERMESH_PROBE_PORT", { fallback: 0, min: 0, max: 65_535 });
  const tls = tlsSettings && (await openTlsFiles(tlsSettings, log));
  const holder = `${hostname()}-${process.pid}-${randomBytes(4).toString("hex")}`;
  // A process of nothing but the edge has no events and no data.
  const bus = definitions.length > 0 ? await connectBus(options, holder) : undefined;
  // Of its own, so that a busy service is not taken for one that cannot work.
  const probe =
    bus &&
    connectDatabase<never>({
      url: options.databaseUrl,
      as: "owner",
      schema: "public",
      connectionsMax: 1,
      log,
      onCommit: () => {},
    });
  const foreground = createForeground();
  const background = createBackground(foreground);
  const clock = options.clock ?? systemClock;
  const guard = createGuard({
    issuer: readIssuer(env),
    transportToKeys: () => clients.transportFor(KeysService),
    bus,
    clock,
    log,
  });
  const verify = options.aroundVerify?.(guard.verify) ?? guard.verify;
  const metrics = createMetrics();
  const limits = createLimits({ settings: limitSettings, connection: bus?.connection, metrics, log });
  const vouching = createVouching({ key: () => keyFor("calls between processes", env), log });
  const running: RunningService[] = [];
  const writerOf = ({ parent }: DescMethod) => {
    const owner = definitions.find((definition) => definition.services.includes(parent))?.name;
    return (running.find(({ name }) => name === owner) ?? running[0])?.database.system;
  };
  const rules = routerOptions({
    log,
    tenant,
    verify,
    follow: guard.follow,
    streams: streamBounds,
    validator: compileValidator(services),
    foreground,
    limits: createCallLimits(limits),
    originOf: createOriginOf({ trustsProxy, vouching }),
    onRefused: createRefusalLog({ writerOf, metrics, log }),
  });

  const delivery = deliveryRoutes({ services: () => running.map(delivering), clock, log });
  const auditLog = auditLogRoutes(() => running.map(({ name, database }) => ({ name, db: database.db })));
  const privacy = privacyRoutes(() => running.map(({ name, parts }) => ({ name, personalData: parts.personalData })));
  const schedule = scheduleRoutes(() => running.map(({ name, database }) => ({ name, ...database.system })));
  const history = historyRoutes(() => running.map(knowing));
  const routes = (router: ConnectRouter): void => {
    for (const service of running) service.parts.routes(router);
    if (definitions.length === 0) return;
    delivery(router);
    auditLog(router);
    privacy(router);
    schedule(router);
    history(router);
  };
  const clients: Clients = createClients({
    local: {
      services: ownServices,
      names: definitions.map(({ name }) => name),
      routes,
      options: rules,
    },
    addresses: (serviceName) => addressesFromEnvironment(env, serviceName),
    tenant,
    secretOf: (serviceName) => clientSecretOf(serviceName, env),
    vouching,
    log,
    tls,
  });
  const backlogMs = (): number => Math.max(0, ...running.map(({ relay }) => relay.state().backlogMs));
  const admission = createAdmission({ limits: readAdmissionLimits(env), metrics, log });
  const started = await Promise.allSettled(
    bus
      ? definitions.map((definition) =>
          startService(definition, {
            ...options,
            bus,
            clock,
            holder,
            clients: clients.of(definition.name),
            metrics,
            backlogMs,
            background,
          }),
        )
      : [],
  );
  running.push(...started.flatMap((result) => (result.status === "fulfilled" ? [result.value] : [])));
  const failed = started.find((result) => result.status === "rejected");

  const health = createHealth({
    services: services.map((service) => service.typeName),
    checks: readinessChecks({ running, bus, probe, relayLagMsMax: options.relayLagMsMax }),
    metrics,
    log,
  });
  let closeProbes: (() => Promise<void>) | undefined;
  const stopAll = async (): Promise<void> => {
    health.stop();
    tls?.close();
    admission.close();
    limits.close();
    guard.stop();
    await Promise.all(running.map((service) => service.stop()));
    clients.close();
    await probe?.close();
    await closeProbes?.();
    await bus?.close();
  };
  try {
    if (failed?.status === "rejected") throw failed.reason;
    await guard.begin();
    const rpc = await serveRpc({
      routes: (router) => {
        routes(router);
        health.routes(router);
        addReflection(router, services);
      },
      options: rules,
      host: options.host,
      port: options.rpcPort,
      log,
      admission,
      fallback: health.fallback,
      tls,
      bounds: connectionBounds,
      env,
    });
    if (probePort > 0) closeProbes = await serveProbes({ host: options.host, port: probePort, answer: health.fallback });
    for (const service of running) service.begin();
    await health.refresh();
    return {
      rpcPort: rpc.port,
      isRpcSecure: tlsSettings?.identity !== undefined,
      health,
      admission,
      transportFor: clients.transportFor,
      clients: clients.of("mesh"),
      close: async () => {
        health.drain();
        await rpc.close(closeGraceMs);
        await stopAll();
      },
    };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

const delivering = ({ name, database, wakeRelay }: RunningService): DeliveringService => ({
  name,
  ...database.system,
  wakeRelay,
});

const knowing = ({ name, database, parts: { hears = [], dueWork = [], history } }: RunningService): KnowingService => ({
  name,
  db: database.db,
  system: database.system.db,
  heardTypes: hears.flatMap(({ versions }) => versions.map(({ desc }) => desc.typeName)),
  kinds: dueWork.map(({ kind }) => kind),
  tell: history,
});

async function connectBus(options: HostOptions, name: string): Promise<Bus> {
  const access = readNatsAccess(options.env);
  const connection = await connectNats({ url: options.natsUrl, access, name, log: options.log });
  try {
    // Whether JetStream is there shows when the streams are made, which waits for a cluster that has no leader yet.
    const manager = await jetstreamManager(connection, { timeout: jetStreamTimeoutMs, checkAPI: false });
    const streams = { partitions: options.partitions, replicas: options.streamReplicas };
    const restoreStreams = (signal?: AbortSignal) => ensureStreams(manager, streams, signal);
    await restoreStreams();
    return {
      connection,
      js: jetstream(connection, { timeout: jetStreamTimeoutMs }),
      manager,
      hub: createEventHub(connection),
      inboxPrefix: inboxPrefixOf(options.natsUrl, access),
      restoreStreams,
      close: () => closeConnection(connection),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Readiness is what the work needs: the database, the migrations, NATS with its stream, and a relay that keeps up. */
function readinessChecks(host: {
  running: readonly RunningService[];
  bus: Bus | undefined;
  probe: ServiceDatabase<never> | undefined;
  relayLagMsMax: number;
}): Record<string, () => Promise<void>> {
  const { running, bus, probe, relayLagMsMax } = host;
  const perService: (readonly [string, () => Promise<void>])[] = running.flatMap(({ name, database, relay, migrations }) => [
    [`${name}_migrations`, once(() => noPendingMigrations(database.system.db, { schema: name, folder: migrations }))] as const,
    [
      `${name}_relay`,
      async () => {
        const { lagMs } = relay.state();
        if (lagMs > relayLagMsMax) throw new Error(`events wait since ${Math.round(lagMs / 1_000)} s`);
      },
    ] as const,
  ]);
  if (!bus || !probe) return {};
  const nats = async (): Promise<void> => void (await bus.manager.streams.info(eventStream));
  const databaseAnswers = async (): Promise<void> => void (await sql`select 1`.execute(probe.db));
  return { nats, database: databaseAnswers, ...Object.fromEntries(perService) };
}

async function noPendingMigrations(db: Kysely<never>, options: { schema: string; folder: URL }): Promise<void> {
  const pending = await pendingMigrations(db, options);
  if (pending.length > 0) throw new Error(`not yet migrated: ${pending.join(", ")}`);
}

/** A check that has passed need not be made again: migrations only go forward while we run. */
function once(check: () => Promise<void>): () => Promise<void> {
  let passed = false;
  return async () => {
    if (passed) return;
    await check();
    passed = true;
  };
}
