// What a history is put together from, and what it consists of.
import type { EventPayload } from "./explain-events.ts";

export type StepKind = "CALL" | "EVENT" | "STATE" | "DECISION" | "STOCK" | "MONEY" | "PARCEL" | "MESSAGE" | "DEAD_LETTER";

export interface Handling {
  service: string;
  outcome: "HANDLED" | "PARKED" | "NOT_YET";
  time: Date | undefined;
  /** 0 where none is known. */
  attempts: number;
}

export interface Step {
  time: Date;
  kind: StepKind;
  service: string;
  name: string;
  text: string;
  /** Of the request, the event, the letter or the row; may be empty. */
  id: string;
  /** Id of the request or event that led to it; empty where that is not known. */
  causeId: string;
  traceId: string;
  handledBy: Handling[];
}

export interface SeenEvent {
  id: string;
  /** Full name. */
  typeName: string;
  time: Date;
  /** Among the events of its service about the order, from 1; 0 where its sender gave none. */
  sequence: number;
  causeId: string;
  traceId: string;
  payload: EventPayload;
  /** Of one that is not in the stream: why, or "" where it waits for its turn. Undefined where it is. */
  unsent?: string;
}

export interface SeenLetter {
  letterId: string;
  state: "open" | "redriving" | "resolved" | "discarded";
  service: string;
  eventId: string;
  code: string;
  attempts: number;
  /** Empty where it waits behind none. */
  waitsBehind: string;
  actions: { action: string; actor: string; time: Date }[];
}

export interface ToldFact {
  kind: Exclude<StepKind, "CALL" | "EVENT" | "DEAD_LETTER">;
  name: string;
  id: string;
  time: Date;
  text: string;
  /** Name of the event that tells it, or of the call that made it; empty where neither is known. */
  toldBy: string;
  /** Id of the event that led to it; empty where it is not known. */
  causeId: string;
}

export interface ToldWait {
  /** Whose turn it is. */
  service: string;
  text: string;
  until: Date | undefined;
  nextStep: string;
}

/** What one service has answered. */
export interface ServiceHistory {
  service: string;
  heardTypes: ReadonlySet<string>;
  handled: { eventId: string; time: Date; attempts: number }[];
  parked: { eventId: string; code: string; attempts: number }[];
  planned: { kind: string; dueTime: Date; attempts: number }[];
  calls: { method: string; time: Date; requestId: string; actor: string; roles: string[] }[];
  facts: ToldFact[];
  waits: ToldWait[];
  /** Empty of those that do not decide about orders, and where the order is not known. */
  state: string;
  isFinal: boolean;
}

export interface SeenOrder {
  events: readonly SeenEvent[];
  letters: readonly SeenLetter[];
  services: readonly ServiceHistory[];
}
