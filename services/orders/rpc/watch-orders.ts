// WatchOrders: the changes of all orders of a shop as a stream that goes on after any cursor, without loss or repeat.
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  WatchOrdersResponseSchema,
  type WatchOrdersRequest,
  type WatchOrdersResponse,
} from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { comparePlaces, readChangesOf, readHorizon, type ChangeFilter, type Place } from "../store/changes.ts";
import type { OrdersTables } from "../store/tables.ts";
import { cursorOf, seenChange, type ChangeFeed } from "./change-feed.ts";
import { orderMessage } from "./order-message.ts";
import { stateOf } from "./read.ts";
import { waitMsMax } from "./watch.ts";
import type { SeenChange } from "./watchers.ts";

type Runtime = Pick<ServiceRuntime<OrdersTables>, "db">;
type Watch = (request: WatchOrdersRequest, signal: AbortSignal) => AsyncGenerator<WatchOrdersResponse>;

const pageSize = 100;

export function watchOrders({ db }: Runtime, feed: ChangeFeed): Watch {
  return async function* watch(request, signal) {
    const filter = { tenant: currentRequest().tenant, customerId: request.customerId, state: stateOf(request.state) };
    let after = request.after === "" ? undefined : await knownPlace({ db }, request.after);
    const { follower, leave } = feed.joinMany(filter);
    try {
      await feed.began();
      if (!after) {
        after = feed.toldUpTo();
        // Whoever is cut off before the first change goes on from here.
        yield create(WatchOrdersResponseSchema, { cursor: cursorOf(after) });
      }
      while (!signal.aborted) {
        if (follower.isBehind) {
          // In one moment: what is told from here on waits for it, and what was told before is in the database.
          const upTo = feed.toldUpTo();
          follower.isBehind = false;
          for await (const { place, response } of changesBetween({ db }, filter, { after, upTo })) {
            yield response;
            after = place;
          }
        }
        for (const { place, response } of feed.take(follower)) {
          // Another process, where the caller was before, may have told more than this one has yet.
          if (comparePlaces(place, after) <= 0) continue;
          yield response;
          after = place;
        }
        if (!follower.isBehind && follower.waiting.length === 0) await follower.wakeUp.wait(waitMsMax, signal);
      }
    } finally {
      leave();
    }
  };
}

async function* changesBetween(
  { db }: Runtime,
  filter: ChangeFilter,
  { after, upTo }: { after: Place; upTo: Place },
): AsyncGenerator<SeenChange> {
  for (;;) {
    const rows = await readChangesOf(db, { filter, after, upTo, rowsMax: pageSize });
    for (const { order, ...change } of rows) yield seenChange(change, { row: order, message: orderMessage(order) });
    const last = rows.at(-1);
    if (!last || rows.length < pageSize) return;
    after = last;
  }
}

/** Throws WATCH_CURSOR_UNKNOWN where the cursor is of another database, such as one from before a restore. */
async function knownPlace({ db }: Runtime, cursor: string): Promise<Place> {
  const [xid = "", sequence = "", orderId = ""] = cursor.split(".");
  const { nextXid } = await readHorizon(db);
  if (BigInt(xid) <= BigInt(nextXid)) return { xid, sequence: Number(sequence), orderId };
  const message = "this cursor is ahead of all changes: list the orders, and watch without a cursor";
  throw refuse(Code.OutOfRange, "WATCH_CURSOR_UNKNOWN", message, { cursor });
}
