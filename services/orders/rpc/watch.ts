// WatchOrder: the timeline as a stream. The rows are the truth; events only say when to look.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { WatchOrderRequest, WatchOrderResponseSchema } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { isAnothers } from "#runtime/access/authorize.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { createWakeUp, type WakeUp } from "#runtime/wake-up.ts";
import { stateChanges } from "../domain/order.ts";
import { readOrder } from "../store/read.ts";
import type { OrdersTables } from "../store/tables.ts";
import { orderMessage, timelineMessage } from "./order-message.ts";
import { orderNotFound } from "./read.ts";

/** In case that an event is lost on its way to us, as it may be while NATS is away. Milliseconds. */
const lookAgainMs = 5_000;

type Watch = (
  request: WatchOrderRequest,
  signal: AbortSignal,
) => AsyncGenerator<MessageInitShape<typeof WatchOrderResponseSchema>>;

export function watchOrder(runtime: ServiceRuntime<OrdersTables>): Watch {
  const watchers = createWatchers(runtime);
  return async function* watch(request, signal) {
    const { tenant } = currentRequest();
    const { orderId } = request;
    // Before the first look, so that nothing falls between looking and waiting.
    const watcher = watchers.join(tenant, orderId);
    try {
      let after = Number(request.afterSequence);
      while (!signal.aborted) {
        const row = await readOrder(runtime.db, { tenant, orderId });
        if (!row || isAnothers(row.customer_id)) throw orderNotFound(orderId);
        for (const entry of row.timeline) {
          if (entry.sequence <= after) continue;
          yield { sequence: BigInt(entry.sequence), entry: timelineMessage(entry), order: orderMessage(row) };
          after = entry.sequence;
        }
        const isAtEnd = stateChanges[row.state].length === 0 && after >= (row.timeline.at(-1)?.sequence ?? 0);
        if (isAtEnd) return;
        await watcher.wakeUp.wait(lookAgainMs, signal);
      }
    } finally {
      watcher.leave();
    }
  };
}

export const orderEvents = "ordermesh.orders.events.*.*.*.*";

/** All watchers of this process share one subscription. */
function createWatchers(runtime: Pick<ServiceRuntime<OrdersTables>, "onEvent">): {
  join(tenant: string, orderId: string): { wakeUp: WakeUp; leave(): void };
} {
  const watching = new Map<string, Set<WakeUp>>();
  let unsubscribe: (() => void) | undefined;
  const onEvent = (subject: string): void => {
    const key = subject.split(".").slice(-2).join(".");
    for (const wakeUp of watching.get(key) ?? []) wakeUp.wake();
  };
  return {
    join: (tenant, orderId) => {
      const key = `${tenant}.${orderId}`;
      const wakeUp = createWakeUp();
      const others = watching.get(key) ?? new Set();
      watching.set(key, others.add(wakeUp));
      unsubscribe ??= runtime.onEvent(orderEvents, onEvent);
      return {
        wakeUp,
        leave: () => {
          others.delete(wakeUp);
          if (others.size === 0) watching.delete(key);
          if (watching.size > 0) return;
          unsubscribe?.();
          unsubscribe = undefined;
        },
      };
    },
  };
}
