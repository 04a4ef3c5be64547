// The streams and consumers that the code declares, made so on the server: created, changed, or refused with words.
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type ConsumerConfig,
  type JetStreamManager,
  type StreamConfig,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { StartupError } from "../backing/startup-error.ts";
import { partitionFilter } from "./contract.ts";
import { eventContract } from "./contract.ts";
import type { Hearing } from "./hearing.ts";

export const eventStream = "EVENTS";
export const advisoryStream = "ADVISORIES";

const eventSubjects = ["ordermesh.*.events.*.*.*.*", "redrive.>"];
const dayMs = 86_400_000;

/** Crashes and hangs end here: with this many deliveries the server gives up on an event, which its advisory tells. */
export const deliveriesMax = 8;
/** An event that nobody acknowledges or says to be working on is delivered again after this time. Milliseconds. */
export const ackWaitMs = 5_000;
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

function declaredStreams({
  partitions,
  replicas,
}: StreamOptions): (Partial<StreamConfig> & { name: string; subjects: string[] })[] {
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

const isNotFound = (error: unknown): boolean => error instanceof JetStreamApiError && error.status === 404;

/** Creates the streams or brings them to the declared configuration. */
export async function ensureStreams(manager: JetStreamManager, options: StreamOptions): Promise<void> {
  for (const declared of declaredStreams(options)) {
    const existing = await manager.streams.info(declared.name).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (!existing) {
      await manager.streams.add(declared);
      continue;
    }
    const movesKeys = existing.config.subject_transform?.dest !== declared.subject_transform?.dest;
    if (movesKeys && existing.state.messages > 0) {
      throw new StartupError(
        `Stream ${declared.name} spreads keys as ${existing.config.subject_transform?.dest ?? "one partition"}, and ORDERMESH_PARTITIONS ` +
          `asks for ${options.partitions}: that would move keys while events wait; set it back, or drain and delete the stream first.`,
      );
    }
    await manager.streams.update(declared.name, { ...existing.config, ...declared });
  }
}

export const durableName = (service: string, partition: number): string => `${service}_p${partition}`;

/** Creates the durable consumers of a service, one a partition, or brings them to the declared configuration. */
export async function ensureConsumers(
  manager: JetStreamManager,
  { service, hears, partitions }: { service: string; hears: readonly Hearing[]; partitions: number },
): Promise<void> {
  const contracts = hears.flatMap((hearing) => hearing.versions.map((version) => eventContract(version.desc)));
  for (let partition = 0; partition < partitions; partition += 1) {
    const name = durableName(service, partition);
    // All versions of an event have the same filter.
    const filters = new Set(contracts.map((contract) => partitionFilter(contract, partition)));
    const config: Partial<ConsumerConfig> = {
      filter_subjects: [...filters, `redrive.${service}.p.${partition}.>`],
      ack_wait: nanos(ackWaitMs),
      max_deliver: deliveriesMax,
      max_ack_pending: unacknowledgedMax,
    };
    const exists = await manager.consumers.info(eventStream, name).then(
      () => true,
      (error: unknown) => {
        if (isNotFound(error)) return false;
        throw error;
      },
    );
    if (exists) await manager.consumers.update(eventStream, name, config);
    else {
      await manager.consumers.add(eventStream, {
        ...config,
        durable_name: name,
        ack_policy: AckPolicy.Explicit,
        deliver_policy: DeliverPolicy.All,
      });
    }
  }
}
