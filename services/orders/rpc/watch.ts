// WatchOrder: the timeline of one order as a stream.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { WatchOrderRequest, WatchOrderResponseSchema } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { stateChanges } from "../domain/order.ts";
import type { OrdersTables } from "../store/tables.ts";
import type { ChangeFeed } from "./change-feed.ts";
import { orderMessage, timelineMessage } from "./order-message.ts";
import { getOrder } from "./read.ts";
import type { SeenOrder } from "./watchers.ts";

/** Nothing comes of it but that nobody waits for ever. Milliseconds. */
export const waitMsMax = 600_000;

type Watch = (
  request: WatchOrderRequest,
  signal: AbortSignal,
) => AsyncGenerator<MessageInitShape<typeof WatchOrderResponseSchema>>;

export function watchOrder(runtime: Pick<ServiceRuntime<OrdersTables>, "db">, feed: ChangeFeed): Watch {
  return async function* watch(request, signal) {
    const { orderId } = request;
    // What may not be seen is refused before anything else is done for it.
    await getOrder(runtime, { orderId });
    // Before the first look, so that nothing falls between looking and waiting.
    const { watcher, leave } = feed.joinOrder(currentRequest().tenant, orderId);
    try {
      const row = await getOrder(runtime, { orderId });
      let seen: SeenOrder | undefined = { row, message: orderMessage(row) };
      let after = Number(request.afterSequence);
      while (!signal.aborted) {
        for (const entry of seen?.row.timeline ?? []) {
          if (entry.sequence <= after) continue;
          yield { sequence: BigInt(entry.sequence), entry: timelineMessage(entry), order: seen?.message };
          after = entry.sequence;
        }
        if (seen && isOver(seen, after)) return;
        if (!watcher.news) await watcher.wakeUp.wait(waitMsMax, signal);
        seen = watcher.news;
        watcher.news = undefined;
      }
    } finally {
      leave();
    }
  };
}

const isOver = ({ row }: SeenOrder, after: number): boolean =>
  stateChanges[row.state].length === 0 && after >= (row.timeline.at(-1)?.sequence ?? 0);
