// Histories on the wire: as services answer them, and as they are explained.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate, type Timestamp } from "@bufbuild/protobuf/wkt";
import { FactKind, type GetOrderHistoryResponse } from "#gen/ordermesh/history/v1/history_service_pb.ts";
import {
  EventOutcome,
  OrderStanding,
  OrderStepKind,
  type OrderConclusionSchema,
  type OrderStepSchema,
  type OrderWaitSchema,
} from "#gen/ordermesh/operations/v1/order_explanation_pb.ts";
import type { Conclusion } from "../domain/explain-conclusion.ts";
import type { SeenEvent, ServiceHistory, Step, ToldFact, ToldWait } from "../domain/explain-parts.ts";

export interface AnsweredHistory {
  service: string;
  history: GetOrderHistoryResponse;
}

const dateOf = (time: Timestamp | undefined): Date => (time ? timestampDate(time) : new Date(0));

export const unpublishedOf = ({ unpublished }: GetOrderHistoryResponse): SeenEvent[] =>
  unpublished.map(({ eventId, typeName, sequence, eventTime, causeId, traceId, code }) => ({
    id: eventId,
    typeName,
    sequence: Number(sequence),
    time: dateOf(eventTime),
    causeId,
    traceId,
    payload: {},
    unsent: code,
  }));

const factKinds: Partial<Record<FactKind, ToldFact["kind"]>> = {
  [FactKind.STATE]: "STATE",
  [FactKind.DECISION]: "DECISION",
  [FactKind.STOCK]: "STOCK",
  [FactKind.MONEY]: "MONEY",
  [FactKind.PARCEL]: "PARCEL",
  [FactKind.MESSAGE]: "MESSAGE",
};

export function historyOf({ service, history }: AnsweredHistory): ServiceHistory {
  const { heardTypes, handled, parked, planned, calls, facts, awaited, state, isFinal } = history;
  return {
    service,
    heardTypes: new Set(heardTypes),
    handled: handled.map(({ eventId, handleTime, attempts }) => ({ eventId, time: dateOf(handleTime), attempts })),
    parked: parked.map(({ eventId, code, attempts }) => ({ eventId, code, attempts })),
    planned: planned.map(({ kind, dueTime, attempts }) => ({ kind, dueTime: dateOf(dueTime), attempts })),
    calls: calls.map(({ method, time, requestId, actor, roles }) => ({ method, time: dateOf(time), requestId, actor, roles })),
    facts: facts.map(({ kind, name, id, time, text, toldBy, causeId }) => {
      // A kind that a newer service tells is shown as what it is nearest to.
      return { kind: factKinds[kind] ?? "STATE", name, id, time: dateOf(time), text, toldBy, causeId };
    }),
    waits: awaited.map(({ service: whose, text, untilTime, nextStep }) => ({
      service: whose === "" ? service : whose,
      text,
      until: untilTime && timestampDate(untilTime),
      nextStep,
    })),
    state,
    isFinal,
  };
}

export const stepMessage = ({ time, kind, handledBy, ...step }: Step): MessageInitShape<typeof OrderStepSchema> => ({
  ...step,
  time: timestampFromDate(time),
  kind: OrderStepKind[kind],
  handledBy: handledBy.map(({ service, outcome, time: handled, attempts }) => ({
    service,
    outcome: EventOutcome[outcome],
    attempts,
    ...(handled && { time: timestampFromDate(handled) }),
  })),
});

export const waitMessage = ({ until, ...wait }: ToldWait): MessageInitShape<typeof OrderWaitSchema> => ({
  ...wait,
  ...(until && { untilTime: timestampFromDate(until) }),
});

export const conclusionMessage = ({
  standing,
  until,
  ...conclusion
}: Conclusion): MessageInitShape<typeof OrderConclusionSchema> => ({
  ...conclusion,
  standing: OrderStanding[standing],
  ...(until && { untilTime: timestampFromDate(until) }),
});
