// Reads the changes of orders for all who watch in this process: one statement for all of them, whatever their number, when an
// event says that there is something to see, and now and then by itself. The rows are the truth.
import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { WatchOrdersResponseSchema } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { createWakeUp } from "#runtime/wake-up.ts";
import { orderNameOf, readChanges, readHorizon, readOrders, type ChangeRow, type Place } from "../store/changes.ts";
import type { OrderRow } from "../store/read.ts";
import type { OrdersTables } from "../store/tables.ts";
import { orderMessage, timelineMessage } from "./order-message.ts";
import { chunksOf } from "./prices.ts";
import { createWatchers, type SeenChange, type SeenOrder, type Watchers } from "./watchers.ts";

export const orderEvents = "ordermesh.orders.events.*.*.*.*";

/** What happens within so short a time is read together. Milliseconds. */
const gatherMs = 20;
/** In case that an event is lost on its way to us, and for what is told by no event: that an order is scheduled. Milliseconds. */
const lookAgainMs = 500;
/** Where changes wait for a transaction that has begun before them. Milliseconds. */
const unsettledMs = 20;
const changesMax = 1_000;
/** So many orders are in hand at once: each may have 500 lines. */
const ordersMax = 100;

export interface ChangeFeed extends Pick<Watchers, "joinOrder" | "joinMany" | "take"> {
  /** Until it is known where it begins. */
  began(): Promise<void>;
  /** Up to where the changes were told to those who are there, at this moment. */
  toldUpTo(): Place;
}

interface Following {
  /** Undefined until it is known where it begins. */
  told: Place | undefined;
  ending: AbortController;
  began: PromiseWithResolvers<void>;
}

type Deps = Pick<ServiceRuntime<OrdersTables>, "system" | "onEvent" | "log">;

export function createChangeFeed({ system, onEvent, log }: Deps, { watchersMax }: { watchersMax: number }): ChangeFeed {
  let following: Following | undefined;
  // It is read for all of them, and not as a part of the first one's request.
  const forNobody = AsyncLocalStorage.snapshot();
  const onCount = (count: number): void => {
    if (count === 0) {
      following?.ending.abort();
      following = undefined;
    } else if (!following) {
      following = { told: undefined, ending: new AbortController(), began: Promise.withResolvers() };
      void forNobody(follow, following);
    }
  };
  const watchers = createWatchers({ watchersMax, onCount });

  async function follow(state: Following): Promise<void> {
    const { signal } = state.ending;
    const wakeUp = createWakeUp();
    const unsubscribe = onEvent(orderEvents, wakeUp.wake);
    while (!signal.aborted) {
      const waitMs = await look(state).catch((error: unknown) => {
        if (!signal.aborted) log.warn({ error: (error as Error).message }, "order_changes_not_read");
        return lookAgainMs;
      });
      await wakeUp.wait(waitMs, signal);
      await sleep(gatherMs, undefined, { signal }).catch(() => {});
    }
    unsubscribe();
  }

  /** Answers when to look again at the latest, in milliseconds. */
  async function look(state: Following): Promise<number> {
    state.told ??= (await readHorizon(system.db)).end;
    state.began.resolve();
    const { changes, isUnsettled } = await readChanges(system.db, { after: state.told, rowsMax: changesMax });
    for (const some of chunksOf(changes, ordersMax)) {
      const rows = await readOrders(system.db, some.filter(watchers.isWanted));
      // From here to the end of the round nobody can come: whoever begins to follow now has the rest of it before or behind it.
      const orders = new Map([...rows].map(([name, row]) => [name, { row, message: orderMessage(row) }]));
      for (const change of some) {
        const order = orders.get(orderNameOf(change));
        watchers.tell(change, order, () => seenChange(change, order as SeenOrder));
      }
      state.told = some.at(-1) ?? state.told;
    }
    if (changes.length === changesMax) return 0;
    return isUnsettled ? unsettledMs : lookAgainMs;
  }

  return {
    joinOrder: watchers.joinOrder,
    joinMany: watchers.joinMany,
    take: watchers.take,
    began: async () => following?.began.promise,
    toldUpTo: () => {
      if (!following?.told) throw new Error("whoever follows changes joins first, and waits until it has begun");
      return following.told;
    },
  };
}

export function seenChange(
  change: ChangeRow,
  { message: order, row }: { message: SeenOrder["message"]; row: OrderRow },
): SeenChange {
  const { xid, orderId, sequence } = change;
  const place = { xid, orderId, sequence };
  const entry = timelineMessage(change);
  const response = create(WatchOrdersResponseSchema, {
    cursor: cursorOf(place),
    orderId,
    sequence: BigInt(sequence),
    entry,
    order,
  });
  return { place, response, lines: row.items.length };
}

/** As callers get it and give it back. */
export const cursorOf = ({ xid, sequence, orderId }: Place): string => `${xid}.${sequence}.${orderId}`;
