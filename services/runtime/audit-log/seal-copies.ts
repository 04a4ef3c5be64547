// The seals as they were told: what the stream still holds of them.
import { fromBinary } from "@bufbuild/protobuf";
import { DeliverPolicy, JetStreamApiError, type JetStreamClient } from "@nats-io/jetstream";
import { AuditLogSealedSchema } from "#gen/ordermesh/auditlog/events/v1/auditlog_events_pb.ts";
import { eventStream } from "../events/streams.ts";
import { sealOfEvent, type Seal } from "./seal.ts";

const waitMs = 5_000;
const messagesAtOnce = 100;

/** By service and number; of several under one number all, oldest first. Empty where there is no stream. */
export async function readSealCopies(js: JetStreamClient): Promise<Map<string, Map<number, Seal[]>>> {
  const copies = new Map<string, Map<number, Seal[]>>();
  for await (const data of storedSeals(js)) {
    const seal = sealOf(data);
    if (!seal) continue;
    const ofService = copies.get(seal.service) ?? new Map<number, Seal[]>();
    copies.set(seal.service, ofService.set(seal.number, [...(ofService.get(seal.number) ?? []), seal]));
  }
  return copies;
}

async function* storedSeals(js: JetStreamClient): AsyncGenerator<Uint8Array> {
  const filter = { filter_subjects: [`p.*.${AuditLogSealedSchema.typeName}.>`], deliver_policy: DeliverPolicy.All };
  const consumer = await js.consumers.get(eventStream, filter).catch((error: unknown) => {
    if (error instanceof JetStreamApiError && error.status === 404) return undefined;
    throw error;
  });
  if (!consumer) return;
  try {
    for (let left = (await consumer.info()).num_pending; left > 0;) {
      const before = left;
      for await (const message of await consumer.fetch({ max_messages: Math.min(left, messagesAtOnce), expires: waitMs })) {
        yield message.data;
        left -= 1;
      }
      if (left === before) throw new Error(`the stream has ${left} more seals and does not deliver them`);
    }
  } finally {
    await consumer.delete().catch(() => false);
  }
}

/** Undefined for bytes of a stranger, which are no seal. */
function sealOf(data: Uint8Array): Seal | undefined {
  try {
    return sealOfEvent(fromBinary(AuditLogSealedSchema, data));
  } catch {
    return undefined;
  }
}
