// Events whose type is in no contract: nobody hears them, so nobody but the reader of the whole stream can tell.
import type { JetStreamManager } from "@nats-io/jetstream";
import { eventStream } from "#runtime/events/streams.ts";
import { describeOriginal, originalGone } from "../store/letters/original.ts";
import type { Failure } from "../store/letters/file-letters.ts";
import { readHeardSubjects } from "./heard-subjects.ts";
import { readOriginals } from "./read-originals.ts";

/** A message of the stream, as far as its subject and headers tell. */
export interface SeenMessage {
  subject: string;
  streamSequence: number;
  time: Date;
  /** 0 where its sender has not numbered it. */
  sequence: number;
  isKnownType: boolean;
}

const finder = "operations";

export async function unknownTypeFailures(
  manager: JetStreamManager,
  seen: readonly SeenMessage[],
  now: Date,
): Promise<Failure[]> {
  if (seen.every(({ isKnownType }) => isKnownType)) return [];
  // A service that is given the message, as another version of what it hears, makes it a letter of its own.
  const isHeard = await readHeardSubjects(manager);
  const unknown = seen.filter(({ subject, isKnownType }) => !isKnownType && !isHeard(subject));
  if (unknown.length === 0) return [];
  const places = unknown.map(({ streamSequence }) => ({ stream: eventStream, streamSequence }));
  const originals = await readOriginals(manager, places);
  return unknown.map(({ subject, streamSequence }, index): Failure => {
    const stored = originals[index];
    return {
      service: finder,
      consumer: finder,
      stream: eventStream,
      streamSequence,
      position: streamSequence,
      original: stored ? describeOriginal(stored) : { ...originalGone, subject },
      code: "TYPE_UNKNOWN",
      message: "no contract names this type of event",
      attempts: 0,
      attemptsAreTotal: true,
      time: now,
      source: "reconciler",
    };
  });
}
