// Pure decisions about batches: what may be handled together, how a batch that fails is split, when to give up.

/** What the plan needs to know of a delivery. */
export interface Planned {
  orderKey: string;
  hearing: object;
}

/**
 * Groups deliveries for their handlers. Groups run one after the other; inside one, all go to the same handler at once.
 * Events of one key keep their order, because a later event of another type goes into a later group.
 */
export function groupForHandlers<Item extends Planned>(items: readonly Item[]): Item[][] {
  const lastOfKey = new Map<string, { wave: number; hearing: object }>();
  const waves: Map<object, Item[]>[] = [];
  for (const item of items) {
    const last = lastOfKey.get(item.orderKey);
    const wave = last === undefined ? 0 : last.hearing === item.hearing ? last.wave : last.wave + 1;
    lastOfKey.set(item.orderKey, { wave, hearing: item.hearing });
    const groups = (waves[wave] ??= new Map<object, Item[]>());
    const group = groups.get(item.hearing);
    if (group) group.push(item);
    else groups.set(item.hearing, [item]);
  }
  return waves.flatMap((groups) => [...groups.values()]);
}

/** Splits a batch of two or more in halves, in order, so that the bad event is found in a logarithm of the steps. */
export function splitBatch<Item>(items: readonly Item[]): [Item[], Item[]] {
  const middle = Math.ceil(items.length / 2);
  return [items.slice(0, middle), items.slice(middle)];
}

export type RetryPlan = { kind: "wait"; delayMs: number } | { kind: "give_up" };

/** The attempt that has just failed counts from 1; after the last delay there is one more attempt. */
export function planRetry({ attempt, delaysMs }: { attempt: number; delaysMs: readonly number[] }): RetryPlan {
  const delayMs = delaysMs[attempt - 1];
  return delayMs === undefined ? { kind: "give_up" } : { kind: "wait", delayMs };
}
