// After a gap in deliveries the missing ones come again, later. Until then nothing newer may be handled.
export interface Arrival {
  streamSequence: number;
  /** Position among all deliveries of the consumer, to whomever they went. */
  deliverySequence: number;
  /** True where this is not the first delivery of the message. */
  repeated: boolean;
}

export interface Barrier<Item extends Arrival> {
  /** Takes an arrival; answers what may be handled now, in stream order. */
  arrive(item: Item, nowMs: number): Item[];
  /** What may be handled because the wait is over. */
  expire(nowMs: number): Item[];
  /** What is still held. */
  drain(): Item[];
}

/** More than can be unacknowledged at once: beyond it the oldest is forgotten. */
const arrivedMax = 4_096;

/**
 * Deliveries get lost on the way where a connection breaks or another instance still has a pull open; the server sends
 * them again after its ack wait. Their number is the gap in the consumer's delivery sequence. All arrivals are held
 * until as many repeats have come, or the wait is over, and are then let through in stream order.
 *
 * A repeat of what has arrived here before makes up for nothing: its acknowledgement was lost, with a leader that died.
 */
export function createBarrier<Item extends Arrival>(start: {
  deliveredSoFar: number;
  unacknowledged: number;
  waitMs: number;
  nowMs: number;
}): Barrier<Item> {
  let expected = start.deliveredSoFar + 1;
  let missing = start.unacknowledged;
  let untilMs = start.nowMs + start.waitMs;
  let held: Item[] = [];
  const arrived = new Set<number>();
  /** True where it has not arrived before. */
  const remember = (streamSequence: number): boolean => {
    const isNew = !arrived.delete(streamSequence);
    arrived.add(streamSequence);
    const [oldest] = arrived;
    if (arrived.size > arrivedMax && oldest !== undefined) arrived.delete(oldest);
    return isNew;
  };
  const release = (): Item[] => {
    const released = held.toSorted((one, other) => one.streamSequence - other.streamSequence);
    held = [];
    missing = 0;
    return released;
  };
  return {
    arrive: (item, nowMs) => {
      const isNew = remember(item.streamSequence);
      const gap = item.deliverySequence - expected;
      if (gap > 0) {
        missing += gap;
        untilMs = nowMs + start.waitMs;
      }
      expected = Math.max(expected, item.deliverySequence + 1);
      if (missing === 0) return [item];
      held.push(item);
      if (item.repeated && isNew) missing -= 1;
      return missing === 0 || nowMs >= untilMs ? release() : [];
    },
    expire: (nowMs) => (held.length > 0 && nowMs >= untilMs ? release() : []),
    drain: release,
  };
}
