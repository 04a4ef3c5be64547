// One service on a real database, without the mesh around it: its RPCs are called in process, events are handed to its
// handlers in a transaction, and what it sends is read from its outbox. What crosses services is tested in test/.
import { create, fromBinary, type DescMessage, type DescService, type MessageInitShape } from "@bufbuild/protobuf";
import { createClient, createRouterTransport, type Client, type ConnectRouter } from "@connectrpc/connect";
import { sql, type Transaction } from "kysely";
import { systemClock, type Clock } from "#runtime/clock.ts";
import { connectDatabase } from "#runtime/database/connect.ts";
import { actFor } from "#runtime/database/scope.ts";
import { migrateUp } from "#runtime/database/migrate.ts";
import { eventContract, eventKey } from "#runtime/events/contract.ts";
import type { Hearing, ReceivedEvent } from "#runtime/events/hearing.ts";
import { outgoing } from "#runtime/events/outgoing.ts";
import { createLogger } from "#runtime/log.ts";
import { createMetrics } from "#runtime/metrics.ts";
import { childTraceparent, runInContext } from "#runtime/request-context.ts";
import { serverInterceptors } from "#runtime/rpc/interceptors.ts";
import { applyDue, prepareDue, type ClaimedItem } from "#runtime/schedule/due-store.ts";
import type { ServiceDefinition, ServiceParts, ServiceRuntime } from "#runtime/service.ts";
import { asOperator } from "./as-operator.ts";
import { createTestDatabase } from "./database.ts";

export const testTenant = "demo";

/** An event that the service wrote into its outbox. */
export interface SentEvent {
  id: string;
  typeName: string;
  key: string;
  sequence: number;
  causeId: string;
  /** Decoded by the contract of its type. */
  message: Record<string, unknown>;
}

export interface ServiceFixture<Tables> {
  /** The service's, but for its storage: a test reads as the owner of the tables, over all tenants. */
  runtime: ServiceRuntime<Tables>;
  parts: ServiceParts;
  client<Desc extends DescService>(service: Desc): Client<Desc>;
  /** The same, as an operator of another tenant. */
  clientOf<Desc extends DescService>(tenant: string, service: Desc): Client<Desc>;
  /** Hands events of one type to the handler that hears it, all in one transaction; each counts on for its sender and key. */
  deliver<Desc extends DescMessage>(desc: Desc, ...messages: MessageInitShape<Desc>[]): Promise<void>;
  /** The same, as events of another tenant. */
  deliverTo<Desc extends DescMessage>(tenant: string, desc: Desc, ...messages: MessageInitShape<Desc>[]): Promise<void>;
  /** Does all due work whose time is not after the given one (default: now); again until none is left. Returns how many items. */
  runDue(until?: Date): Promise<number>;
  /** Everything sent so far, oldest first. */
  sent(): Promise<SentEvent[]>;
  close(): Promise<void>;
}

export async function serviceFixture<Tables>(
  definition: ServiceDefinition<Tables>,
  options: {
    env?: Record<string, string>;
    clock?: Clock;
    /** Who calls, as an access token would say it; without it somebody without one. */
    as?: "operator";
    /** Implements the other services that this one calls. */
    others?: (router: ConnectRouter) => void;
  } = {},
): Promise<ServiceFixture<Tables>> {
  const database = await createTestDatabase();
  const log = createLogger({ level: "silent" });
  const connect = (as: "owner" | "application") =>
    connectDatabase<Tables>({
      url: database.url,
      as,
      schema: definition.name,
      connectionsMax: 5,
      log,
      onCommit: () => {},
      clock: options.clock,
    });
  const owner = connect("owner");
  await migrateUp(owner.db, { schema: definition.name, folder: definition.migrations });
  const connected = connect("application");
  const interceptors = serverInterceptors({ log, tenant: testTenant });
  const others = createRouterTransport(options.others ?? (() => {}), { router: { interceptors } });
  const runtime: ServiceRuntime<Tables> = {
    db: connected.db,
    transaction: connected.transaction,
    system: connected.system,
    client: (service) => createClient(service, others),
    clientOf: (contract) => createClient(contract, others),
    onEvent: () => () => {},
    storedSubjects: () => Promise.resolve([]),
    storedEvents: () => Promise.resolve({ events: [], isCut: false, sinceTime: undefined }),
    backlogMs: () => 0,
    inBackground: (work) => work(),
    clock: options.clock ?? systemClock,
    metrics: createMetrics(),
    log,
    env: options.env ?? {},
  };
  const parts = definition.create(runtime);
  const routed = createRouterTransport(parts.routes, { router: { interceptors } });
  const transport = options.as ? asOperator(routed, { tenant: testTenant }) : routed;
  const counts = new Map<string, number>();
  const dueKinds = new Map((parts.dueWork ?? []).map((work) => [work.kind, work]));
  const deliverTo: ServiceFixture<Tables>["deliverTo"] = async (tenant, desc, ...messages) => {
    const hearing = hearingOf(parts.hears ?? [], desc);
    const about = { tenant, counts, time: runtime.clock.now() };
    const events = messages.map((message) => received(hearing, desc, message, about));
    const context = { requestId: "req_test", traceparent: childTraceparent(undefined), tenant };
    await runInContext(context, async () => hearing.prepare?.(events as ReceivedEvent<never>[]));
    await connected.system.transaction(async (tx) => {
      await actFor(tx, tenant);
      await hearing.handle(tx as unknown as Transaction<never>, events as ReceivedEvent<never>[]);
    });
  };

  return {
    runtime: { ...runtime, db: owner.db, transaction: owner.transaction, system: owner },
    parts,
    client: (service) => createClient(service, transport),
    clientOf: (tenant, service) => createClient(service, asOperator(routed, { tenant })),
    deliver: (desc, ...messages) => deliverTo(testTenant, desc, ...messages),
    deliverTo,
    runDue: async (given) => {
      let done = 0;
      for (;;) {
        // Work that plans more work plans it a moment later.
        const until = given ?? runtime.clock.now();
        const { rows } = await sql<ClaimedItem>`
          update due_work set attempt = attempt + 1, claimed_until = ${until}
          where due_time <= ${until}
          returning id, kind, tenant_id as tenant, key, due_time as "dueTime", attempt, cause_id as "causeId", traceparent`.execute(
          owner.db,
        );
        if (rows.length === 0) return done;
        for (const row of rows) {
          const work = dueKinds.get(row.kind);
          if (!work) throw new Error(`no due work is named ${row.kind}`);
          await applyDue(connected.system, work, [await prepareDue(work, row)]);
          done += 1;
        }
      }
    },
    sent: () => sentEvents(owner.db, definition),
    close: async () => {
      await Promise.all([connected.close(), owner.close()]);
      await database.drop();
    },
  };
}

function hearingOf(hears: Hearing[], desc: DescMessage): Hearing {
  const hearing = hears.find((candidate) => candidate.versions.some((version) => version.desc === desc));
  if (!hearing) throw new Error(`nothing hears ${desc.typeName}`);
  return hearing;
}

function received<Desc extends DescMessage>(
  hearing: Hearing,
  desc: Desc,
  init: MessageInitShape<Desc>,
  about: { tenant: string; counts: Map<string, number>; time: Date },
): ReceivedEvent<unknown> {
  const cause = { id: "req_test", traceparent: childTraceparent(undefined) };
  const contract = eventContract(desc);
  const sender = `${contract.service}.${about.tenant}.${eventKey(contract, create(desc, init))}`;
  const sequence = (about.counts.get(sender) ?? 0) + 1;
  about.counts.set(sender, sequence);
  // Through bytes, as an event travels.
  const event = outgoing(desc, init, { tenant: about.tenant, cause, sequence, time: about.time });
  const version = hearing.versions.find((candidate) => candidate.desc === desc);
  return {
    id: event.id,
    tenant: event.tenant,
    key: event.key,
    sequence: event.sequence,
    time: event.time,
    cause: { id: event.id, traceparent: event.cause.traceparent },
    message: version?.raise(fromBinary(desc, event.payload)),
  };
}

async function sentEvents(
  db: Parameters<ReturnType<typeof sql>["execute"]>[0],
  definition: Pick<ServiceDefinition, "emits">,
): Promise<SentEvent[]> {
  const descs = new Map(definition.emits.flatMap((file) => file.messages).map((desc) => [desc.typeName, desc]));
  const { rows } = await sql<{ id: string; typeName: string; key: string; sequence: number; causeId: string; payload: Buffer }>`
    select event_id as id, type_name as "typeName", key, sequence, cause_id as "causeId", payload from outbox order by xid, id`.execute(
    db,
  );
  return rows.map(({ payload, ...row }) => {
    const desc = descs.get(row.typeName);
    if (!desc) throw new Error(`${row.typeName} is not in the service's emits`);
    eventContract(desc);
    return { ...row, message: fromBinary(desc, payload) };
  });
}
