// Serves concurrent callers together: while one group is on its way the next gathers; nobody waits for a timer.
export interface Group<Item, Result> {
  /** Resolves with the item's result. Rejects with what its group threw, or with GroupFull where too many wait. */
  add(item: Item): Promise<Result>;
}

export class GroupFull extends Error {}

/** Runs work when it is its turn. */
export type TakeTurn = <Result>(work: () => Promise<Result>) => Promise<Result>;

interface Waiting<Item, Result> {
  item: Item;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** What is asked in the same turn of the event loop goes together: it came at the same moment. */
const afterThisTurn: TakeTurn = async (work) => {
  await new Promise(setImmediate);
  return work();
};

export function createGroup<Item, Result>(options: {
  /** Serves all items and answers one result for each, in order. */
  run(items: readonly Item[]): Promise<readonly Result[]>;
  /** False where the error is not about one item, so that every item would meet it. */
  isOfOne(error: unknown): boolean;
  itemsMax: number;
  inFlightMax: number;
  waitingMax: number;
  /** Who comes until it is the group's turn goes with it. */
  takeTurn?: TakeTurn;
}): Group<Item, Result> {
  const { takeTurn = afterThisTurn } = options;
  const waiting: Waiting<Item, Result>[] = [];
  let inFlight = 0;
  let isQueued = false;

  const serve = async (group: readonly Waiting<Item, Result>[]): Promise<void> => {
    try {
      const results = await options.run(group.map(({ item }) => item));
      group.forEach(({ resolve }, index) => resolve(results[index] as Result));
    } catch (error) {
      if (group.length === 1 || !options.isOfOne(error)) for (const { reject } of group) reject(error);
      // One that cannot be served must not take the others with it: alone, it fails alone.
      else
        for (const { item, resolve, reject } of group)
          await options.run([item]).then(([result]) => resolve(result as Result), reject);
    }
  };

  const flush = async (): Promise<void> => {
    isQueued = true;
    await takeTurn(async () => {
      const group = waiting.splice(0, options.itemsMax);
      isQueued = false;
      inFlight += 1;
      try {
        if (waiting.length > 0) flushMore();
        await serve(group);
      } finally {
        inFlight -= 1;
      }
    });
    flushMore();
  };

  const flushMore = (): void => {
    if (waiting.length > 0 && !isQueued && inFlight < options.inFlightMax) void flush();
  };

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        if (waiting.length >= options.waitingMax) {
          reject(new GroupFull("too many wait to be served"));
          return;
        }
        waiting.push({ item, resolve, reject });
        flushMore();
      }),
  };
}
