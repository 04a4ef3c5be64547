// Who of this process is to be told of changes: watchers of one order, and followers of many.
import { Code } from "@connectrpc/connect";
import type { WatchOrdersResponse } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import type { Order } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { createWakeUp, type WakeUp } from "#runtime/wake-up.ts";
import { orderNameOf, type ChangeFilter, type ChangeRow, type Place } from "../store/changes.ts";
import type { OrderRow } from "../store/read.ts";

/** An order as all who watch it get it: made once, however many they are. */
export interface SeenOrder {
  row: OrderRow;
  message: Order;
}

/** A change as all who follow it get it. */
export interface SeenChange {
  place: Place;
  response: WatchOrdersResponse;
  /** What it takes while it waits to be sent, in lines of its order. */
  lines: number;
}

export interface OrderWatcher {
  wakeUp: WakeUp;
  /** The newest that it has not been told; older news is in it. */
  news: SeenOrder | undefined;
}

export interface Follower {
  filter: ChangeFilter;
  wakeUp: WakeUp;
  /** What it is to be sent next, in order. */
  waiting: SeenChange[];
  /** It has missed changes and finds them in the database: it had just come, or its client reads too slowly. */
  isBehind: boolean;
}

/** So much may wait for one who reads slowly, and for all of them: what is more is read again when they are ready for it. */
const waitingMaxOfOne = 64;
const linesMaxOfAll = 50_000;

export interface Watchers {
  /** Throws RESOURCE_EXHAUSTED, WATCHERS_LIMITED. */
  joinOrder(tenant: string, orderId: string): { watcher: OrderWatcher; leave(): void };
  joinMany(filter: ChangeFilter): { follower: Follower; leave(): void };
  isWanted(change: ChangeRow): boolean;
  /** Gives a change to all whom it is for; without its order, because nobody wanted it a moment ago, they are behind. */
  tell(change: ChangeRow, order: SeenOrder | undefined, seen: () => SeenChange): void;
  /** Takes what waits for the follower. */
  take(follower: Follower): SeenChange[];
  count(): number;
}

export function createWatchers({ watchersMax, onCount }: { watchersMax: number; onCount: (count: number) => void }): Watchers {
  const ofOrder = new Map<string, Set<OrderWatcher>>();
  const ofMany = new Map<string, Set<Follower>>();
  let count = 0;
  let linesWaiting = 0;

  const join = <Member>(members: Map<string, Set<Member>>, name: string, member: Member): (() => void) => {
    if (count >= watchersMax) {
      const message = `${watchersMax} watch here already, come again later or ask for the order itself`;
      throw refuse(Code.ResourceExhausted, "WATCHERS_LIMITED", message, { watchersMax: String(watchersMax) });
    }
    const others = members.get(name) ?? new Set();
    members.set(name, others.add(member));
    onCount((count += 1));
    return () => {
      if (!others.delete(member)) return;
      if (others.size === 0 && members.get(name) === others) members.delete(name);
      onCount((count -= 1));
    };
  };

  const take = (follower: Follower): SeenChange[] => {
    const taken = follower.waiting.splice(0);
    linesWaiting -= taken.reduce((sum, { lines }) => sum + lines, 0);
    return taken;
  };

  const give = (follower: Follower, seen: SeenChange | undefined): void => {
    follower.wakeUp.wake();
    if (follower.isBehind) return;
    if (seen && follower.waiting.length < waitingMaxOfOne && linesWaiting + seen.lines <= linesMaxOfAll) {
      follower.waiting.push(seen);
      linesWaiting += seen.lines;
      return;
    }
    take(follower);
    follower.isBehind = true;
  };

  const followersOf = ({ tenant, customerId, state }: ChangeRow): Follower[] =>
    [followNameOf(tenant, customerId), followNameOf(tenant, "")]
      .flatMap((name) => [...(ofMany.get(name) ?? [])])
      .filter(({ filter }) => filter.state === undefined || filter.state === state);

  return {
    joinOrder: (tenant, orderId) => {
      const watcher: OrderWatcher = { wakeUp: createWakeUp(), news: undefined };
      return { watcher, leave: join(ofOrder, orderNameOf({ tenant, orderId }), watcher) };
    },
    joinMany: (filter) => {
      const follower: Follower = { filter, wakeUp: createWakeUp(), waiting: [], isBehind: true };
      const leave = join(ofMany, followNameOf(filter.tenant, filter.customerId), follower);
      return { follower, leave: () => (leave(), void take(follower)) };
    },
    isWanted: (change) => ofOrder.has(orderNameOf(change)) || followersOf(change).length > 0,
    tell: (change, order, seen) => {
      for (const watcher of order ? (ofOrder.get(orderNameOf(change)) ?? []) : []) {
        watcher.news = order;
        watcher.wakeUp.wake();
      }
      const followers = followersOf(change);
      const one = order && followers.length > 0 ? seen() : undefined;
      for (const follower of followers) give(follower, one);
    },
    take,
    count: () => count,
  };
}

const followNameOf = (tenant: string, customerId: string): string => `${tenant}.${customerId}`;
