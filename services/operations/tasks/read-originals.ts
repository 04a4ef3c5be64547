// Messages that a stream holds, by their places.
import type { JetStreamManager, StoredMsg } from "@nats-io/jetstream";
import { JetStreamApiError } from "@nats-io/jetstream";

const inFlightMax = 32;

export interface Place {
  stream: string;
  streamSequence: number;
}

/** In the order asked for; undefined where the stream has dropped the message, or is gone itself. */
export async function readOriginals(manager: JetStreamManager, places: readonly Place[]): Promise<(StoredMsg | undefined)[]> {
  const found: (StoredMsg | undefined)[] = [];
  for (let start = 0; start < places.length; start += inFlightMax) {
    const batch = places.slice(start, start + inFlightMax);
    found.push(...(await Promise.all(batch.map((place) => readOriginal(manager, place)))));
  }
  return found;
}

async function readOriginal(manager: JetStreamManager, { stream, streamSequence }: Place): Promise<StoredMsg | undefined> {
  try {
    return (await manager.streams.getMessage(stream, { seq: streamSequence })) ?? undefined;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === 404) return undefined;
    throw error;
  }
}
