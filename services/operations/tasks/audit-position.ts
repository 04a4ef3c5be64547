// How far the consumers of the stream have come: what was published before that has had its effect.
import type { Bus } from "#runtime/events/bus.ts";
import { eventStream } from "#runtime/events/streams.ts";

export interface StreamPosition {
  /** The last message. */
  last: number;
  /** Up to here every consumer of a service has handled all that it hears. */
  handled: number;
}

const durablePattern = /^[a-z]+_p\d+$/;

/** A server that does not answer has handled nothing: a suspicion waits then. */
export async function readStreamPosition({ manager }: Pick<Bus, "manager">): Promise<StreamPosition> {
  try {
    const { state } = await manager.streams.info(eventStream);
    let handled = state.last_seq;
    for await (const { name, num_pending: pending, num_ack_pending: inHand, ack_floor: floor } of manager.consumers.list(
      eventStream,
    )) {
      if (!durablePattern.test(name) || (pending === 0 && inHand === 0)) continue;
      handled = Math.min(handled, floor.stream_seq);
    }
    return { last: state.last_seq, handled };
  } catch {
    return { last: Number.MAX_SAFE_INTEGER, handled: 0 };
  }
}
