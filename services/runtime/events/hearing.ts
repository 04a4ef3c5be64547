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

interface EventVersion {
  desc: DescMessage;
  raise(message: unknown): unknown;
}

export interface Hearing {
  /** Such as inventory.reserve; for logs. */
  name: string;
  /** The newest first. */
  versions: EventVersion[];
  handle(tx: Transaction<never>, events: ReceivedEvent<never>[]): Promise<void>;
}

/** An older version, and how it is raised to the newest. */
export interface OlderVersion<Newest> {
  desc: DescMessage;
  raise(message: unknown): Newest;
}

export function older<Desc extends DescMessage, Newest>(
  desc: Desc,
  raise: (message: MessageShape<Desc>) => Newest,
): OlderVersion<Newest> {
  return { desc, raise: (message) => raise(message as MessageShape<Desc>) };
}

/**
 * The work is given many events at once, in order per key, inside the transaction that also marks them as handled.
 * It must change all or throw; a batch that throws is split until the bad event stands alone.
 * Throw RefusedEvent for an event that no repeat can mend.
 */
export function hear<Desc extends DescMessage, Tables>(hearing: {
  name: string;
  event: Desc;
  older?: OlderVersion<MessageShape<Desc>>[];
  handle(tx: Transaction<Tables>, events: ReceivedEvent<MessageShape<Desc>>[]): Promise<void>;
}): Hearing {
  return {
    name: hearing.name,
    versions: [{ desc: hearing.event, raise: (message) => message }, ...(hearing.older ?? [])],
    handle: hearing.handle as unknown as Hearing["handle"],
  };
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
