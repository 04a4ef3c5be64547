// Requests that send letters again or give them up. They write rows; a task does the rest.
import { Code, type ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import { DeadLetterSchema, DeadLetterState, RedriveState } from "#gen/ordermesh/operations/v1/dead_letter_pb.ts";
import {
  RedriveDeadLettersRequestSchema,
  type DiscardDeadLetterRequest,
  type OperationsService,
  type RedriveDeadLetterRequest,
  type RedriveDeadLettersRequest,
} from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { actingSubject } from "#runtime/access/authorize.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { decideDiscard, decideRedrive, type AskedLetter } from "../domain/letters.ts";
import { discardLetter, readAsked } from "../store/letters/act-on-letter.ts";
import { readLetter } from "../store/letters/read-letters.ts";
import { askRedrive, beginRedrive, countSelected, readRedrive } from "../store/letters/redrives.ts";
import type { OperationsTables } from "../store/tables.ts";
import { filterOf, letterMessage, redriveMessage, shownStates } from "./dead-letter-messages.ts";
import type { OperationsRoutesOptions } from "./routes-options.ts";

type RedriveRoutes = Pick<
  ServiceImpl<typeof OperationsService>,
  "redriveDeadLetter" | "redriveDeadLetters" | "getRedrive" | "discardDeadLetter"
>;

export function redriveRoutes(options: OperationsRoutesOptions): RedriveRoutes {
  const { runtime } = options;
  return {
    redriveDeadLetter: (request) => redriveOne(options, request),
    redriveDeadLetters: (request) => redriveMany(options, request),
    getRedrive: async ({ redriveId }) => {
      const redrive = await readRedrive(runtime.db, redriveId);
      if (!redrive) throw refuse(Code.NotFound, "REDRIVE_NOT_FOUND", `no redrive ${redriveId}`, { redriveId });
      return { redrive: redriveMessage(redrive) };
    },
    discardDeadLetter: (request) => discard(options, request),
  };
}

async function redriveOne(options: OperationsRoutesOptions, { letterId, reason }: RedriveDeadLetterRequest) {
  const actor = actingSubject();
  const { runtime, redriveWakeUp } = options;
  await runtime.transaction(async (tx) => {
    const letter = await readAsked(tx, letterId);
    if (!letter) throw letterNotFound(letterId);
    const decision = decideRedrive(letter);
    switch (decision.kind) {
      case "ask":
        await askRedrive(tx, [letterId], { actor, reason, now: runtime.clock.now() });
        await recordState(tx, letter, DeadLetterState.REDRIVING);
        return;
      case "as_it_is":
        return;
      case "discarded":
        throw failed("LETTER_DISCARDED", `letter ${letterId} was given up`, { letterId });
      case "original_gone":
        throw failed("ORIGINAL_GONE", `the stream had dropped the message of ${letterId} before it was read`, { letterId });
      case "not_redrivable":
        throw failed("LETTER_NOT_REDRIVABLE", `no consumer could take the message of ${letterId} again`, { letterId });
      case "earlier_open":
        throw failed("EARLIER_LETTER_OPEN", `letter ${letterId} waits behind ${decision.letterId}`, {
          letterId,
          earlierLetterId: decision.letterId,
        });
    }
  });
  redriveWakeUp.wake();
  return answer(options, letterId);
}

async function redriveMany({ runtime, redriveWakeUp }: OperationsRoutesOptions, request: RedriveDeadLettersRequest) {
  const actor = actingSubject();
  const { reason, requestId, dryRun } = request;
  const filter = filterOf(request.filter);
  if (dryRun) {
    const letters = BigInt(await countSelected(runtime.db, filter));
    return { redrive: { state: RedriveState.DRY_RUN, letters, actor, reason } };
  }
  const now = runtime.clock.now();
  const redriveId = await runtime.transaction(async (tx) => {
    const { redriveId, isNew } = await beginRedrive(tx, { filter, requestId, actor, reason, now });
    if (isNew) {
      const resource = { kind: "redrive", id: redriveId };
      await recordChange(tx, { resource, after: shown(RedriveDeadLettersRequestSchema, { ...request, actor }) });
    }
    return redriveId;
  });
  redriveWakeUp.wake();
  const redrive = await readRedrive(runtime.db, redriveId);
  if (!redrive) throw new Error(`redrive ${redriveId} is gone`);
  return { redrive: redriveMessage(redrive) };
}

async function discard(options: OperationsRoutesOptions, { letterId, reason }: DiscardDeadLetterRequest) {
  const actor = actingSubject();
  const { runtime, redriveWakeUp } = options;
  await runtime.transaction(async (tx) => {
    const letter = await readAsked(tx, letterId);
    if (!letter) throw letterNotFound(letterId);
    const decision = decideDiscard(letter);
    switch (decision.kind) {
      case "discard": {
        const { tellsConsumer } = decision;
        await discardLetter(tx, letterId, { actor, reason, now: runtime.clock.now(), tellsConsumer });
        await recordState(tx, letter, DeadLetterState.DISCARDED);
        return;
      }
      case "as_it_is":
        return;
      case "resolved":
        throw failed("LETTER_RESOLVED", `letter ${letterId} has taken effect`, { letterId });
      case "redriving":
        throw failed("LETTER_REDRIVING", `letter ${letterId} is on its way`, { letterId });
    }
  });
  redriveWakeUp.wake();
  return answer(options, letterId);
}

async function recordState(
  tx: Transaction<OperationsTables>,
  { letterId, state }: AskedLetter,
  after: DeadLetterState,
): Promise<void> {
  const side = (one: DeadLetterState) => shown(DeadLetterSchema, { state: one });
  await recordChange(tx, {
    resource: { kind: "dead_letter", id: letterId },
    before: side(shownStates[state]),
    after: side(after),
  });
}

async function answer({ runtime }: OperationsRoutesOptions, letterId: string) {
  const letter = await readLetter(runtime.db, letterId);
  if (!letter) throw letterNotFound(letterId);
  return { deadLetter: letterMessage(letter, { withBytes: false }) };
}

type Reason =
  | "LETTER_DISCARDED"
  | "ORIGINAL_GONE"
  | "LETTER_NOT_REDRIVABLE"
  | "EARLIER_LETTER_OPEN"
  | "LETTER_RESOLVED"
  | "LETTER_REDRIVING";

const failed = (reason: Reason, message: string, metadata: Record<string, string>): ConnectError =>
  refuse(Code.FailedPrecondition, reason, message, metadata);

function letterNotFound(letterId: string): ConnectError {
  return refuse(Code.NotFound, "DEAD_LETTER_NOT_FOUND", `no dead letter ${letterId}`, { letterId });
}
