// Failures as they are filed: what the server told, what the stream holds, and what the service itself knows better.
import type { JetStreamManager } from "@nats-io/jetstream";
import type { CheckedEvent } from "#gen/ordermesh/delivery/v1/delivery_service_pb.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { LetterSource } from "../domain/letters.ts";
import type { Failure } from "../store/letters/file-letters.ts";
import { describeOriginal, originalGone, serviceOfConsumer } from "../store/letters/original.ts";
import { checkEvents, isHandled, isParked } from "./check-events.ts";
import { readOriginals } from "./read-originals.ts";

/** What is known of a failure before its message was read. */
export interface ToldFailure {
  stream: string;
  consumer: string;
  streamSequence: number;
  code: string;
  message: string;
  attempts: number;
  time: Date;
  source: LetterSource;
}

export interface FailureSources<Tables> {
  runtime: Pick<ServiceRuntime<Tables>, "clientOf" | "log">;
  manager: JetStreamManager;
}

/** Reads the messages, and asks the services. A service that does not answer does not keep letters from being filed. */
export async function completeFailures<Tables>(
  { runtime, manager }: FailureSources<Tables>,
  told: readonly ToldFailure[],
): Promise<Failure[]> {
  const originals = await readOriginals(manager, told);
  const failures = told.map((failure, index): Failure => {
    const stored = originals[index];
    return {
      ...failure,
      service: serviceOfConsumer(failure.consumer),
      position: failure.streamSequence,
      original: stored ? describeOriginal(stored) : originalGone,
      message: stored ? failure.message : `${failure.message} (the stream had dropped the message before it was read)`,
      attemptsAreTotal: false,
    };
  });
  const known: Failure[] = [];
  for (const [service, ofService] of Map.groupBy(failures, (failure) => failure.service)) {
    const asked = ofService.flatMap(({ original }) => (original.eventId === "" ? [] : [original]));
    const checked = await checkEvents(runtime, service, asked).catch((error: unknown) => {
      runtime.log.warn({ service, error: (error as Error).message }, "letters_without_service");
      return new Map<string, CheckedEvent>();
    });
    for (const failure of ofService) {
      const answer = checked.get(failure.original.eventId);
      // Its end was lost on the way to the server, or the advisory is forged: it has taken effect.
      if (isHandled(answer) && codesOfDeliveries.includes(failure.code)) continue;
      known.push(improve(failure, answer));
    }
  }
  return known.toSorted((one, other) => one.streamSequence - other.streamSequence);
}

/** Codes that say how a delivery ended, not what is wrong with the event. */
const codesOfDeliveries = ["PARKED_ALREADY", "DELIVERIES_EXHAUSTED"];

function improve(failure: Failure, checked: CheckedEvent | undefined): Failure {
  if (!isParked(checked)) {
    const isUnordered = failure.code === "DELIVERIES_EXHAUSTED" && failure.original.key !== "";
    const warning = "; its key is not held back, so later events of it may have passed";
    return isUnordered ? { ...failure, message: failure.message + warning } : failure;
  }
  const counted = { ...failure, attempts: checked.attempts, attemptsAreTotal: true };
  if (codesOfDeliveries.includes(failure.code)) return { ...counted, code: checked.code, message: checked.message };
  // The advisory has cut the message short.
  return checked.code === failure.code ? { ...counted, message: checked.message } : counted;
}
