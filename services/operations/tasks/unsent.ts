// Events that a service cannot send are letters of its relay.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { DeliveryService, type UnsentEvent } from "#gen/ordermesh/delivery/v1/delivery_service_pb.ts";
import { eventSubject } from "#runtime/events/contract.ts";
import { writeHeaders } from "#runtime/events/envelope.ts";
import { holdLease, type Lease } from "#runtime/lease/lease-store.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { relayConsumer } from "../store/letters/names.ts";
import { fileFailures, type Failure } from "../store/letters/file-letters.ts";
import { readUnsentLetters, resolveLetters } from "../store/letters/outcomes.ts";
import { takeTurn } from "../store/letters/turn.ts";
import type { OperationsTables } from "../store/tables.ts";

/** So many the service lists; where it lists as many there may be more. */
const listedMax = 100;

/** Files what cannot be sent, opens again what could not be sent again, and closes what is gone from the list. */
export async function reconcileUnsent({
  runtime,
  lease,
  service,
}: {
  runtime: ServiceRuntime<OperationsTables>;
  lease: Lease;
  service: string;
}): Promise<void> {
  const asked = runtime.clock.now();
  const letters = await readUnsentLetters(runtime.db, service);
  let unsent: UnsentEvent[];
  try {
    ({ unsent } = await runtime.clientOf(DeliveryService, service).getDeliveryStatus({ service }));
  } catch (error) {
    runtime.log.debug({ service, error: (error as Error).message }, "unsent_events_not_read");
    return;
  }
  if (unsent.length === 0 && letters.length === 0) return;
  const byEvent = new Map(letters.map((letter) => [letter.eventId, letter]));
  // One that was sent again while we asked may stand in the answer as it was before.
  const failures = unsent.flatMap((event) => {
    const letter = byEvent.get(event.eventId);
    const isNews = !letter || (letter.isSent && letter.sentTime !== null && letter.sentTime < asked);
    return isNews ? [unsentFailure(event, { service, letterId: letter?.letterId ?? "", now: asked })] : [];
  });
  const listed = new Set(unsent.map(({ eventId }) => eventId));
  const absent = unsent.length < listedMax ? letters.filter(({ eventId }) => !listed.has(eventId)) : [];
  const gone: string[] = [];
  for (const { letterId, eventId } of absent) {
    if (await resolveUnsent(runtime, { service, eventId, discard: false })) gone.push(letterId);
  }
  if (failures.length === 0 && gone.length === 0) return;
  await runtime.transaction(async (tx) => {
    await holdLease(tx, lease);
    await takeTurn(tx);
    await fileFailures(tx, failures);
    await resolveLetters(tx, gone, runtime.clock.now());
  });
}

/** Tells the service to try an unsent event again, or to give it up; true where the service has it no more. */
export async function resolveUnsent(
  { clientOf }: Pick<ServiceRuntime<OperationsTables>, "clientOf">,
  { service, eventId, discard }: { service: string; eventId: string; discard: boolean },
): Promise<boolean> {
  try {
    await clientOf(DeliveryService, service).resolveUnsentEvent({ service, eventId, discard });
    return discard;
  } catch (error) {
    if (error instanceof ConnectError && error.code === Code.NotFound) return true;
    throw error;
  }
}

function unsentFailure(
  event: UnsentEvent,
  { service, letterId, now }: { service: string; letterId: string; now: Date },
): Failure {
  const { eventId, typeName, tenant, key, payload, causeId, traceparent } = event;
  const eventTime = event.eventTime ? timestampDate(event.eventTime) : now;
  const sequence = Number(event.sequence);
  const written = writeHeaders({
    id: eventId,
    typeName,
    tenant,
    key,
    sequence,
    time: eventTime,
    cause: { id: causeId, traceparent },
  });
  const headers = [...written].flatMap(([name, values]) => values.map((value) => ({ name, value })));
  const subject = eventSubject(typeName, tenant, key);
  return {
    service,
    consumer: relayConsumer,
    stream: "",
    streamSequence: 0,
    position: sequence,
    original: { eventId, eventTime, typeName, tenant, key, subject, headers, payload, letterId },
    code: event.code,
    message: event.message,
    attempts: 1,
    attemptsAreTotal: false,
    time: now,
    source: "relay",
  };
}
