// Events that the stream holds, for whoever wants to see those of one key.
import { JetStreamApiError, type JetStreamManager, type NextMsgRequest, type StoredMsg } from "@nats-io/jetstream";
import { parseStoredSubject } from "./contract.ts";
import { readHeaders, takeHeaders } from "./envelope.ts";
import { eventStream } from "./streams.ts";

export interface StoredEvent {
  id: string;
  /** Full name, as its subject says. */
  typeName: string;
  time: Date;
  /** 0 where the sender gave none. */
  sequence: number;
  /** Empty where the sender gave none. */
  causeId: string;
  traceparent: string;
  payload: Uint8Array;
}

export interface StoredEvents {
  events: StoredEvent[];
  /** There are more than were asked for. */
  isCut: boolean;
  /** When the oldest message of the whole stream came; undefined where none was dropped yet. */
  sinceTime: Date | undefined;
}

/** Asks for the subjects first, and then subject by subject: each is found by itself, however much the stream holds. */
export async function storedEvents(
  manager: JetStreamManager,
  { filter, messagesMax }: { filter: string; messagesMax: number },
): Promise<StoredEvents> {
  const { state } = await manager.streams.info(eventStream, { subjects_filter: filter });
  const subjects = Object.keys(state.subjects ?? {}).toSorted();
  const read = await Promise.all(
    subjects.slice(0, messagesMax).map((subject) => messagesOf(manager, { subject, messagesMax: messagesMax + 1 })),
  );
  const messages = read.flat().toSorted((one, other) => one.seq - other.seq);
  return {
    events: messages.slice(0, messagesMax).flatMap(storedEvent),
    isCut: messages.length > messagesMax || subjects.length > messagesMax,
    sinceTime: state.first_seq > 1 ? new Date(state.first_ts) : undefined,
  };
}

async function messagesOf(
  manager: JetStreamManager,
  { subject, messagesMax }: { subject: string; messagesMax: number },
): Promise<StoredMsg[]> {
  const messages: StoredMsg[] = [];
  for (let seq = 1; messages.length < messagesMax;) {
    const message = await nextOf(manager, { subject, seq });
    if (!message) break;
    messages.push(message);
    seq = message.seq + 1;
  }
  return messages;
}

async function nextOf(
  manager: JetStreamManager,
  { subject, seq }: { subject: string; seq: number },
): Promise<StoredMsg | undefined> {
  // The server takes it at this address as well as at the direct one, for which alone the client declares it.
  const query: NextMsgRequest & { seq: number } = { seq, next_by_subj: subject };
  try {
    return (await manager.streams.getMessage(eventStream, query)) ?? undefined;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** Nothing of what no consumer could take: without an id it is a dead letter of whoever heard it. */
function storedEvent(message: StoredMsg): StoredEvent[] {
  const subject = parseStoredSubject(message.subject);
  const { headers } = takeHeaders(() => message.header);
  const { id, time, sequence, traceparent } = readHeaders(headers);
  if (!subject || id === "") return [];
  const causeId = headers?.get("ce-causeid") ?? "";
  return [{ id, typeName: subject.typeName, time, sequence, causeId, traceparent, payload: message.data }];
}
