// Every event that was written is in the stream, in a row without gaps, and has had its effect once in whoever hears it.
import { setTimeout as sleep } from "node:timers/promises";
import type { JetStreamManager, JsMsg } from "@nats-io/jetstream";
import { jetstream } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type pg from "pg";
import { eventStream } from "#runtime/events/streams.ts";
import { findings, type Disagreement, type Findings } from "./disagreement.ts";

interface Written {
  service: string;
  eventId: string;
  typeName: string;
  tenant: string;
  key: string;
  sequence: number;
  isPublished: boolean;
}

/** What a service hears: "orders.OrderCreated", as its consumers' filters say. */
type Hearers = Map<string, string[]>;

const filterPattern = /^p\.\d+\.ordermesh\.([a-z]+)\.events\.\*\.([A-Za-z0-9]+)\.>$/;
const typePattern = /^ordermesh\.([a-z]+)\.events\.v\d+\.([A-Za-z0-9]+)$/;
const readMessages = 500;
/** So long may pass until what was written a moment ago is published. */
const publishMsMax = 15_000;
const lookEveryMs = 250;

export async function checkEvents(options: {
  db: pg.Client;
  connection: NatsConnection;
  manager: JetStreamManager;
  services: readonly string[];
}): Promise<Findings[]> {
  const { db, services } = options;
  const written = await readPublished(db, services);
  const streamed = await readStreamed(options.connection, options.manager);
  const hearers = await readHearers(options.manager);
  const handled = new Map<string, Set<string>>();
  for (const service of services) handled.set(service, await readHandled(db, service));
  const rows = Map.groupBy(written, ({ service, tenant, key }) => `${service} ${tenant}/${key}`);
  return [
    findings(written, ({ eventId, typeName, isPublished }) => [
      isPublished ? undefined : { rule: "event_not_published", subject: eventId, message: `${typeName} is still in the outbox` },
      streamed.ids.has(eventId)
        ? undefined
        : { rule: "event_not_in_stream", subject: eventId, message: `${typeName} is not there` },
    ]),
    findings(rows, ([subject, events]) => [gapIn(subject, events)]),
    findings(streamed.sequences, ([subject, sequences]) => [disorderIn(subject, sequences)]),
    effects(written, hearers, handled),
  ];
}

/**
 * Also at rest events are written: the seals of the audit logs, every two seconds where somebody asks for anything, as the auditor just did.
 * What was not published when it was read is looked at again, and lost only where it stays so.
 */
async function readPublished(db: pg.Client, services: readonly string[]): Promise<Written[]> {
  let written = await readWritten(db, services);
  const endMs = performance.now() + publishMsMax;
  while (written.some(({ isPublished }) => !isPublished) && performance.now() < endMs) {
    await sleep(lookEveryMs);
    const published = new Set((await readWritten(db, services)).flatMap((event) => (event.isPublished ? [event.eventId] : [])));
    written = written.map((event) => ({ ...event, isPublished: published.has(event.eventId) }));
  }
  return written;
}

async function readWritten(db: pg.Client, services: readonly string[]): Promise<Written[]> {
  const statements = services.map(
    (service) => `
      select '${service}' as service, event_id as "eventId", type_name as "typeName", tenant_id as tenant, key, sequence::float8 as sequence,
        (outbox.xid, outbox.id) <= (relay_cursor.xid, relay_cursor.id) as "isPublished"
      from ${service}.outbox, ${service}.relay_cursor`,
  );
  return (await db.query<Written>(statements.join(" union all "))).rows;
}

/** Handled, or a dead letter. */
async function readHandled(db: pg.Client, service: string): Promise<Set<string>> {
  const read = await db.query<{ eventId: string }>(
    `select event_id as "eventId" from ${service}.inbox union select event_id from ${service}.parked_event`,
  );
  return new Set(read.rows.map(({ eventId }) => eventId));
}

async function readHearers(manager: JetStreamManager): Promise<Hearers> {
  const hearers = new Map<string, Set<string>>();
  for await (const { name, config } of manager.consumers.list(eventStream)) {
    const service = /^([a-z]+)_p\d+$/.exec(name)?.[1];
    for (const filter of config.filter_subjects ?? []) {
      const [, sender, event] = filterPattern.exec(filter) ?? [];
      if (!service || !sender) continue;
      const type = `${sender}.${event}`;
      hearers.set(type, (hearers.get(type) ?? new Set()).add(service));
    }
  }
  return new Map([...hearers].map(([type, services]) => [type, [...services]]));
}

interface Streamed {
  ids: Set<string>;
  /** Of each sender, tenant and key, in the order in which they came to the stream first; repeats are left out. */
  sequences: Map<string, number[]>;
}

async function readStreamed(connection: NatsConnection, manager: JetStreamManager): Promise<Streamed> {
  const streamed: Streamed = { ids: new Set(), sequences: new Map() };
  const { state } = await manager.streams.info(eventStream);
  if (state.messages === 0) return streamed;
  const consumer = await jetstream(connection).consumers.get(eventStream, { headers_only: true });
  const messages = await consumer.consume({ max_messages: readMessages });
  for await (const message of messages) {
    note(streamed, message);
    if (message.seq >= state.last_seq || message.info.pending === 0) break;
  }
  await messages.close();
  return streamed;
}

function note({ ids, sequences }: Streamed, { headers, subject: published }: JsMsg): void {
  const header = (name: string): string => headers?.get(name) ?? "";
  const id = header("ce-id");
  if (ids.has(id)) return;
  ids.add(id);
  // Two tenants may have the same key, such as a SKU.
  const tenant = published.split(".").at(-2) ?? "";
  const subject = `${header("ce-source")} ${tenant}/${header("ce-subject")}`;
  const known = sequences.get(subject);
  if (known) known.push(Number(header("ce-sequence")));
  else sequences.set(subject, [Number(header("ce-sequence"))]);
}

function disorderIn(subject: string, sequences: readonly number[]): Disagreement | undefined {
  const isInOrder = sequences.every((sequence, index) => index === 0 || sequence > (sequences[index - 1] ?? 0));
  return isInOrder ? undefined : { rule: "event_order", subject, message: `its events came as ${sequences.join(", ")}` };
}

/** Each service counts its events about a key from 1. */
function gapIn(subject: string, events: readonly Written[]): Disagreement | undefined {
  const sequences = events.map(({ sequence }) => sequence).toSorted((one, other) => one - other);
  const isWhole = sequences.every((sequence, index) => sequence === index + 1);
  return isWhole ? undefined : { rule: "event_sequence_gap", subject, message: `its events are ${sequences.join(", ")}` };
}

function effects(written: readonly Written[], hearers: Hearers, handled: ReadonlyMap<string, Set<string>>): Findings {
  const expected = written.flatMap(({ eventId, typeName }) => {
    const [, sender, event] = typePattern.exec(typeName) ?? [];
    return (hearers.get(`${sender}.${event}`) ?? []).map((service) => ({ eventId, typeName, service }));
  });
  return findings(expected, ({ eventId, typeName, service }) => [
    handled.get(service)?.has(eventId)
      ? undefined
      : { rule: "effect_missing", subject: eventId, message: `${service} has not handled ${typeName}` },
  ]);
}
