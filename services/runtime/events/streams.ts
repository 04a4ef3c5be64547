// The streams and consumers that the code declares, made so on the server: created, changed, or refused with words.
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamConfig,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { StartupError } from "../backing/startup-error.ts";
import { shortenedMs } from "../faults.ts";
import { partitionFilter } from "./contract.ts";
import { eventContract } from "./contract.ts";
import type { Hearing } from "./hearing.ts";
import { reconcile } from "./reconcile.ts";

export const eventStream = "EVENTS";
export const advisoryStream = "ADVISORIES";

const eventSubjects = ["ordermesh.*.events.*.*.*.*", "redrive.>"];
const dayMs = 86_400_000;

/**
 * With this many deliveries the server gives up on an event, which its advisory tells. Events that fail and events that
 * kill the process end long before, with a reason; this is for what nothing else has ended. It is high because a machine that
 * cannot keep up gives back what it has in hand again and again, which is no fault of the events.
 */
export const deliveriesMax = 50;
/** An event that nobody acknowledges or says to be working on is delivered again after this time. Milliseconds. */
export const ackWaitMs = shortenedMs("ORDERMESH_TEST_ACK_WAIT_MS", 5_000);
const unacknowledgedMax = 512;

export interface StreamOptions {
  /** Keys are spread over this many partitions; a change moves keys and needs an empty stream. */
  partitions: number;
  /** 3 in a cluster, 1 on a single server. */
  replicas: number;
}

/** Subjects of one partition begin with p.<partition>. */
function transformTo(partitions: number): string {
  const rest = "{{wildcard(1)}}.events.{{wildcard(2)}}.{{wildcard(3)}}.{{wildcard(4)}}.{{wildcard(5)}}";
  return `p.{{partition(${partitions},5)}}.ordermesh.${rest}`;
}

type DeclaredStream = Partial<StreamConfig> & { name: string; subjects: string[] };

function declaredStreams({ partitions, replicas }: StreamOptions): DeclaredStream[] {
  const shared = { retention: RetentionPolicy.Limits, storage: StorageType.File, num_replicas: replicas };
  return [
    {
      ...shared,
      name: eventStream,
      subjects: eventSubjects,
      subject_transform: { src: eventSubjects[0] ?? "", dest: transformTo(partitions) },
      max_age: nanos(7 * dayMs),
      // Refuse new events rather than forget old ones: the outbox keeps what is refused.
      discard: DiscardPolicy.New,
      // The relays publish in batches.
      allow_atomic: true,
      duplicate_window: nanos(120_000),
    },
    {
      ...shared,
      name: advisoryStream,
      subjects: ["$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>", "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>"],
      max_age: nanos(30 * dayMs),
      discard: DiscardPolicy.Old,
    },
  ];
}

/** The configuration of what may not be there. */
async function configOf(info: Promise<{ config: object }>): Promise<object | undefined> {
  try {
    return (await info).config;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** Creates the streams or brings them to the declared configuration. Throws StartupError where that cannot be. */
export async function ensureStreams(manager: JetStreamManager, options: StreamOptions, signal?: AbortSignal): Promise<void> {
  for (const declared of declaredStreams(options)) {
    await reconcile(
      {
        what: `Stream ${declared.name}`,
        declared,
        read: () => configOf(manager.streams.info(declared.name)),
        add: () => manager.streams.add(declared),
        update: async (existing) => {
          await assertKeysStay(manager, declared, options.partitions);
          await manager.streams.update(declared.name, { ...existing, ...declared });
        },
      },
      signal,
    );
  }
}

async function assertKeysStay(manager: JetStreamManager, declared: DeclaredStream, partitions: number): Promise<void> {
  const { config, state } = await manager.streams.info(declared.name);
  if (config.subject_transform?.dest === declared.subject_transform?.dest || state.messages === 0) return;
  throw new StartupError(
    `Stream ${declared.name} spreads keys as ${config.subject_transform?.dest ?? "one partition"}, and ORDERMESH_PARTITIONS ` +
      `asks for ${partitions}: that would move keys while events wait; set it back, or drain and delete the stream first.`,
  );
}

export const durableName = (service: string, partition: number): string => `${service}_p${partition}`;

export interface HearingService {
  service: string;
  hears: readonly Hearing[];
  partitions: number;
}

/** Creates the durable consumers of a service, one a partition, or brings them to the declared configuration. */
export async function ensureConsumers(manager: JetStreamManager, hearing: HearingService): Promise<void> {
  await Promise.all(Array.from({ length: hearing.partitions }, (_, partition) => ensureConsumer(manager, hearing, partition)));
}

export async function ensureConsumer(
  manager: JetStreamManager,
  { service, hears }: HearingService,
  partition: number,
  signal?: AbortSignal,
): Promise<void> {
  const name = durableName(service, partition);
  const contracts = hears.flatMap((hearing) => hearing.versions.map((version) => eventContract(version.desc)));
  // All versions of an event have the same filter.
  const filters = new Set(contracts.map((contract) => partitionFilter(contract, partition)));
  const declared = {
    filter_subjects: [...filters, `redrive.${service}.p.${partition}.>`],
    ack_wait: nanos(ackWaitMs),
    max_deliver: deliveriesMax,
    max_ack_pending: unacknowledgedMax,
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
  };
  await reconcile(
    {
      what: `Consumer ${name}`,
      declared,
      read: () => configOf(manager.consumers.info(eventStream, name)),
      add: () => manager.consumers.add(eventStream, declared),
      update: (existing) => manager.consumers.update(eventStream, name, { ...existing, ...declared }),
    },
    signal,
  );
}

/** Subjects under which the event stream holds messages, of those that match a filter. */
export async function storedSubjects(manager: JetStreamManager, filter: string): Promise<string[]> {
  const { state } = await manager.streams.info(eventStream, { subjects_filter: filter });
  return Object.keys(state.subjects ?? {});
}
