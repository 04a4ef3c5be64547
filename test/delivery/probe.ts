// A service that does nothing but deliver: it sends ProductCreated and writes down each one that it hears.
// The product's title says how its handler behaves.
import { create, toBinary } from "@bufbuild/protobuf";
import { jetstream, jetstreamManager, type JsMsg } from "@nats-io/jetstream";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { sql, type Generated, type Kysely } from "kysely";
import {
  file_ordermesh_catalog_events_v1_catalog_events,
  ProductCreatedSchema,
} from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { natsConnectionOptions } from "#runtime/backing/nats-url.ts";
import { hear, RefusedEvent } from "#runtime/events/hearing.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing } from "#runtime/events/outgoing.ts";
import { startHost, type Host } from "#runtime/host.ts";
import { createLogger } from "#runtime/log.ts";
import { childTraceparent } from "#runtime/request-context.ts";
import { cancelDue, dueWork, planDue, type DueWork } from "#runtime/schedule/due-work.ts";
import type { Job } from "#runtime/schedule/jobs.ts";
import type { ServiceDefinition, ServiceRuntime } from "#runtime/service.ts";
import { createTestDatabase } from "../support/database.ts";
import { sharedIdentity } from "../support/identity.ts";
import { testNats, type TestNats } from "../support/nats.ts";

export interface ProbeTables {
  effect: { id: Generated<number>; event_id: string; key: string; label: string };
}

export const eventType = "ordermesh.catalog.events.v1.ProductCreated";
export const tenant = "demo";

type Behaviour = (label: string) => void | Promise<void>;

export interface Probe {
  /** The service's, but for its storage, which is over all tenants. */
  runtime: ServiceRuntime<ProbeTables>;
  host: Host;
  /** Writes events into the outbox, in one transaction. A label becomes the product's title. */
  send(...events: { key: string; label: string; sequence?: number }[]): Promise<string[]>;
  /** Plans an effect for later; behaves by its key. */
  plan(...items: { key: string; inMs: number }[]): Promise<void>;
  /** Takes plans back. */
  unplan(...keys: string[]): Promise<void>;
  effects(): Promise<{ eventId: string; key: string; label: string }[]>;
}

/** The effects of a key, in the order in which they came. */
export const labelsOf = async (probe: Probe, key: string): Promise<string[]> =>
  (await probe.effects()).filter((effect) => effect.key === key).map((effect) => effect.label);

export interface ProbeWorld {
  databaseUrl: string;
  connection: NatsConnection;
  /** Starts an instance; more than one share the work. */
  start(behave?: Behaviour, options?: { retryDelaysMs?: number[]; jobs?: Job[]; gatherEventsMs?: number }): Promise<Probe>;
  /** Publishes as a stranger would. */
  publish(message: { subject: string; payload: Uint8Array; headers: Record<string, string> }): Promise<void>;
  advisories(): Promise<Record<string, unknown>[]>;
  stored(): Promise<JsMsg[]>;
  close(): Promise<void>;
}

const product = (key: string, label: string) => create(ProductCreatedSchema, { productId: key, title: label });

export const productBytes = (key: string, label: string): Uint8Array => toBinary(ProductCreatedSchema, product(key, label));

/** Stops the given NATS with itself. */
export async function probeWorld(given?: TestNats, { streamReplicas = 1 } = {}): Promise<ProbeWorld> {
  const [database, nats] = await Promise.all([createTestDatabase(), given ?? testNats()]);
  const connection = await connect({ ...natsConnectionOptions(nats.url), maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  const hosts: Host[] = [];
  const readStream = async (stream: string): Promise<JsMsg[]> => {
    const { state } = await (await jetstreamManager(connection)).streams.info(stream);
    if (state.messages === 0) return [];
    const consumer = await jetstream(connection).consumers.get(stream);
    const messages: JsMsg[] = [];
    for await (const message of await consumer.fetch({ max_messages: state.messages, expires: 2_000 })) messages.push(message);
    // Left alone it would stay for five minutes, and a server has room for so many only.
    await consumer.delete();
    return messages;
  };
  return {
    databaseUrl: database.url,
    connection,
    start: async (behave = () => {}, { retryDelaysMs = [50, 100, 200], jobs = [], gatherEventsMs = 0 } = {}) => {
      const servers = { databaseUrl: database.url, natsUrl: nats.url, streamReplicas };
      const probe = await startProbe({ ...servers, behave, retryDelaysMs, jobs, gatherEventsMs });
      hosts.push(probe.host);
      return probe;
    },
    publish: async ({ subject, payload, headers: given }) => {
      const sent = headers();
      for (const [name, value] of Object.entries(given)) sent.set(name, value);
      await jetstream(connection).publish(subject, payload, { headers: sent });
    },
    advisories: async () => (await readStream("ADVISORIES")).map((message) => message.json()),
    stored: () => readStream("EVENTS"),
    close: async () => {
      await Promise.all(hosts.map((host) => host.close()));
      await connection.close();
      await nats.stop();
      await database.drop();
    },
  };
}

async function startProbe(options: {
  databaseUrl: string;
  natsUrl: string;
  streamReplicas: number;
  behave: Behaviour;
  retryDelaysMs: number[];
  jobs: Job[];
  gatherEventsMs: number;
}): Promise<Probe> {
  let runtime: ServiceRuntime<ProbeTables> | undefined;
  const definition: ServiceDefinition<ProbeTables> = {
    name: "probe",
    services: [],
    emits: [file_ordermesh_catalog_events_v1_catalog_events],
    migrations: new URL("./migrations/", import.meta.url),
    create: (given) => {
      runtime = given;
      const { behave, jobs, gatherEventsMs } = options;
      return { routes: () => {}, hears: [writeDown(behave)], gatherEventsMs, dueWork: [remind(behave)], jobs };
    },
  };
  const host = await startHost({
    definitions: [definition as unknown as ServiceDefinition],
    databaseUrl: options.databaseUrl,
    natsUrl: options.natsUrl,
    host: "127.0.0.1",
    rpcPort: 0,
    partitions: 3,
    streamReplicas: options.streamReplicas,
    relayLagMsMax: 10_000,
    retryDelaysMs: options.retryDelaysMs,
    connectionsMax: 8,
    tenant,
    log: createLogger({ level: process.env["PROBE_LOG"] ?? "silent" }),
    env: sharedIdentity(),
  });
  if (!runtime) throw new Error("the probe was not created");
  const { db, transaction } = runtime.system;
  return {
    runtime: { ...runtime, db, transaction },
    host,
    send: (...events) =>
      transaction(async (tx) => {
        const written = events.map(({ key, label, sequence = 0 }) =>
          outgoing(ProductCreatedSchema, product(key, label), {
            tenant,
            sequence,
            time: new Date(),
            cause: { id: "req_test", traceparent: childTraceparent(undefined) },
          }),
        );
        await appendEvents(tx, written);
        return written.map((event) => event.id);
      }),
    plan: (...items) =>
      transaction((tx) =>
        planDue(
          tx,
          items.map(({ key, inMs }) => ({ kind: remindKind, tenant, key, due: { inMs }, cause })),
        ),
      ),
    unplan: (...keys) =>
      transaction((tx) =>
        cancelDue(
          tx,
          remindKind,
          keys.map((key) => ({ tenant, key })),
        ),
      ),
    effects: () => readEffects(db),
  };
}

const remindKind = "probe.remind";
const cause = { id: "req_test", traceparent: "" };

function remind(behave: Behaviour): DueWork {
  return dueWork<ProbeTables, string>({
    kind: remindKind,
    prepare: ({ key }) => Promise.resolve(`prepared ${key}`),
    apply: async (tx, items) => {
      for (const { item } of items) await behave(item.key);
      const rows = items.map(({ item, prepared }) => ({ event_id: item.id, key: item.key, label: prepared }));
      await tx.insertInto("effect").values(rows).execute();
    },
  });
}

function writeDown(behave: Behaviour) {
  return hear<typeof ProductCreatedSchema, ProbeTables>({
    name: "probe.write",
    event: ProductCreatedSchema,
    handle: async (tx, events) => {
      for (const event of events) {
        await behave(event.message.title);
        if (event.message.title.startsWith("refuse")) throw new RefusedEvent("REFUSED_FOR_TEST", "the label says so");
      }
      const rows = events.map((event) => ({ event_id: event.id, key: event.key, label: event.message.title }));
      await sql`
        insert into effect (event_id, key, label)
        select * from unnest(${rows.map((row) => row.event_id)}::text[], ${rows.map((row) => row.key)}::text[], ${rows.map((row) => row.label)}::text[])`.execute(
        tx,
      );
    },
  });
}

async function readEffects(db: Kysely<ProbeTables>): Promise<{ eventId: string; key: string; label: string }[]> {
  return db.selectFrom("effect").select(["event_id as eventId", "key", "label"]).orderBy("id").execute();
}
