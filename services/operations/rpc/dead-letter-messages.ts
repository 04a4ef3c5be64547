// How letters, their history and redrives look from outside, and what a caller's filter means.
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { DeadLetterSource, DeadLetterState, RedriveState } from "#gen/ordermesh/operations/v1/dead_letter_pb.ts";
import type { DeadLetterFilter } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import type { LetterSource, LetterState } from "../domain/letters.ts";
import { showBytes, showPayload, type ShownPayload } from "../events/show-payload.ts";
import type { LetterFilter } from "../store/letters/filter.ts";
import { listedPayloadBytesMax, type LetterActionView, type LetterView } from "../store/letters/read-letters.ts";
import type { RedriveProgress } from "../store/letters/redrives.ts";

export const shownStates: Readonly<Record<LetterState, DeadLetterState>> = {
  open: DeadLetterState.OPEN,
  redriving: DeadLetterState.REDRIVING,
  resolved: DeadLetterState.RESOLVED,
  discarded: DeadLetterState.DISCARDED,
};

const shownSources: Readonly<Record<LetterSource, DeadLetterSource>> = {
  advisory: DeadLetterSource.ADVISORY,
  reconciler: DeadLetterSource.RECONCILER,
  relay: DeadLetterSource.RELAY,
};

function stateOf(shown: DeadLetterState): LetterState | undefined {
  switch (shown) {
    case DeadLetterState.UNSPECIFIED:
      return undefined;
    case DeadLetterState.OPEN:
      return "open";
    case DeadLetterState.REDRIVING:
      return "redriving";
    case DeadLetterState.RESOLVED:
      return "resolved";
    case DeadLetterState.DISCARDED:
      return "discarded";
  }
}

export function filterOf(filter: DeadLetterFilter | undefined): LetterFilter {
  if (!filter) return {};
  const { service, consumer, typeName, code, key, eventId, sinceTime, untilTime } = filter;
  return {
    state: stateOf(filter.state),
    service,
    consumer,
    typeName,
    code,
    key,
    eventId,
    since: sinceTime && timestampDate(sinceTime),
    until: untilTime && timestampDate(untilTime),
  };
}

/** A list leaves the bytes out. */
export function letterMessage(letter: LetterView, { withBytes }: { withBytes: boolean }) {
  const { payload, payloadBytes: _bytes, closeTime, ...shown } = letter;
  const { json, problem } = payloadOf(letter);
  return {
    ...shown,
    state: shownStates[letter.state],
    source: shownSources[letter.source],
    streamSequence: BigInt(letter.streamSequence),
    payload: withBytes && payload ? showBytes(letter.typeName, new Uint8Array(payload)) : new Uint8Array(),
    ...(json && { payloadJson: json }),
    payloadProblem: problem,
    firstFailureTime: timestampFromDate(letter.firstFailureTime),
    lastFailureTime: timestampFromDate(letter.lastFailureTime),
    ...(closeTime && { closeTime: timestampFromDate(closeTime) }),
  };
}

function payloadOf({ payload, payloadBytes, typeName }: LetterView): ShownPayload {
  if (payload) return showPayload(typeName, payload);
  const problem =
    payloadBytes === null
      ? "the stream had dropped the message before it was read"
      : `it has ${payloadBytes} bytes, and a list shows ${listedPayloadBytesMax} at most; read the letter by itself`;
  return { json: undefined, problem };
}

export const actionMessage = ({ sequence, time, ...action }: LetterActionView) => ({
  ...action,
  sequence: BigInt(sequence),
  time: timestampFromDate(time),
});

export function redriveMessage(redrive: RedriveProgress) {
  const { createTime, finishTime, ...about } = redrive;
  return {
    redriveId: about.redriveId,
    state: finishTime ? RedriveState.DONE : RedriveState.RUNNING,
    letters: BigInt(about.letters),
    waiting: BigInt(about.waiting),
    sent: BigInt(about.sent),
    resolved: BigInt(about.resolved),
    failed: BigInt(about.failed),
    actor: about.actor,
    reason: about.reason,
    createTime: timestampFromDate(createTime),
    ...(finishTime && { finishTime: timestampFromDate(finishTime) }),
  };
}
