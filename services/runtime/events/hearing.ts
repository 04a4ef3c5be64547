// How a service says what it hears: a name, the versions of an event, and the work.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Transaction } from "kysely";
import type { Cause } from "./outgoing.ts";

/** An event as a handler gets it: decoded, and raised to the newest version. */
export interface ReceivedEvent<Message> {
  id: string;
  tenant: string;
  key: string;
  /** Position among the events that the sending service has sent for this key, from 1; 0 where the sender gave none. */
  sequence: number;
  time: Date;
  /** What to name as the cause of everything that this event leads to. */
  cause: Cause;
  message: Message;
}

/** One version of one event, and what it tells a handler. */
export interface Telling<Told> {
  desc: DescMessage;
  raise(message: unknown): Told;
}

export function tells<Desc extends DescMessage, Told>(desc: Desc, raise: (message: MessageShape<Desc>) => Told): Telling<Told> {
  return { desc, raise: (message) => raise(message as MessageShape<Desc>) };
}

export interface Hearing {
  /** Such as inventory.reserve; for logs. */
  name: string;
  versions: Telling<unknown>[];
  /**
   * Before the transaction, and outside any: the place for work that leaves the process or takes long. It may run more than once
   * for an event, and for one that has been handled. Where it throws the events have failed.
   */
  prepare?(events: readonly ReceivedEvent<never>[]): Promise<void>;
  handle(tx: Transaction<never>, events: ReceivedEvent<never>[]): Promise<void>;
}

/**
 * Hears one event. The work is given many events at once, in order per key, inside the transaction that also marks
 * them as handled. It must change all or throw; a batch that throws is split until the bad event stands alone.
 * Throw RefusedEvent for an event that no repeat can mend. Older versions are raised to the newest.
 */
export function hear<Desc extends DescMessage, Tables>(hearing: {
  name: string;
  event: Desc;
  older?: Telling<MessageShape<Desc>>[];
  prepare?: (events: readonly ReceivedEvent<MessageShape<Desc>>[]) => Promise<void>;
  handle(tx: Transaction<Tables>, events: ReceivedEvent<MessageShape<Desc>>[]): Promise<void>;
}): Hearing {
  const { name, event, older = [], prepare, handle } = hearing;
  const tellings = [tells(event, (message: MessageShape<Desc>) => message), ...older];
  const told = hearFacts<Tables, MessageShape<Desc>>({ name, tellings, handle });
  return prepare ? { ...told, prepare } : told;
}

/**
 * Hears several events that tell facts about the same things. They come to the work together, in order per key, so
 * that it can lock all that they touch in one pass: locks that are taken call by call are in no order within the
 * transaction, and two transactions could wait for each other.
 */
export function hearFacts<Tables, Fact>(hearing: {
  name: string;
  tellings: Telling<Fact>[];
  handle(tx: Transaction<Tables>, events: ReceivedEvent<Fact>[]): Promise<void>;
}): Hearing {
  return { name: hearing.name, versions: hearing.tellings, handle: hearing.handle as unknown as Hearing["handle"] };
}

/** An event that can never be handled: it becomes a dead letter at once, without retries. */
export class RefusedEvent extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "RefusedEvent";
    this.code = code;
  }
}
