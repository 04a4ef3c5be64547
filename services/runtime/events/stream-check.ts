// Does the stream still have what it has acknowledged? A server that lost power, a folder that was restored, a stream that
// was made anew: then the relay goes back to the newest place that the stream has, and publishes again from there.
import type { JetStreamManager } from "@nats-io/jetstream";
import { sql, type Kysely } from "kysely";
import type { Lease } from "../lease/lease-store.ts";
import { readHeaders, takeHeaders } from "./envelope.ts";
import { goBack, readCheckpoints, readCursor, type Acknowledged, type Cursor } from "./relay-store.ts";
import { eventStream } from "./streams.ts";

/** Where a relay begins that has nothing to go back to. */
const beginning: Cursor = { xid: "0", id: 0, streamSequence: 0, eventId: "" };
const checkpointsRead = 100;

/** True where the stream has our message at its place, or has dropped it for its age. */
async function streamHas(manager: JetStreamManager, { streamSequence, eventId }: Acknowledged): Promise<boolean> {
  if (streamSequence === 0) return true;
  const { state } = await manager.streams.info(eventStream);
  if (streamSequence > state.last_seq) return false;
  if (streamSequence < state.first_seq) return true;
  const message = await manager.streams.getMessage(eventStream, { seq: streamSequence });
  // A single message that is gone was deleted by somebody; nothing says that more is missing.
  return message === null || readHeaders(takeHeaders(() => message.header).headers).id === eventId;
}

/**
 * Compares the last message that was acknowledged to us with the stream. Where the stream has lost it, moves the cursor
 * back to the newest checkpoint that it still has; answers how many events will be published again. 0 where all is well.
 */
export async function goBackToStream<Tables>(
  db: Kysely<Tables>,
  { manager }: { manager: JetStreamManager },
  lease: Lease,
): Promise<number> {
  const cursor = await readCursor(db);
  if (await streamHas(manager, cursor)) return 0;
  const place = await newestPlace(db, manager, cursor.streamSequence);
  await db.transaction().execute((tx) => goBack(tx, lease, place));
  const counted = await sql<{ events: number }>`
    select count(*) as events from outbox
    where (xid, id) > (${place.xid}::xid8, ${place.id}::bigint) and (xid, id) <= (${cursor.xid}::xid8, ${cursor.id}::bigint)`.execute(
    db,
  );
  return counted.rows[0]?.events ?? 0;
}

async function newestPlace<Tables>(db: Kysely<Tables>, manager: JetStreamManager, below: number): Promise<Cursor> {
  for (let streamSequence = below; ;) {
    const checkpoints = await readCheckpoints(db, { streamSequence, rowsMax: checkpointsRead });
    for (const checkpoint of checkpoints) if (await streamHas(manager, checkpoint)) return checkpoint;
    const oldest = checkpoints.at(-1);
    if (!oldest) return beginning;
    streamSequence = oldest.streamSequence;
  }
}
