// Commits concurrent requests together: while one commit is on its way the next group gathers; nobody waits for a timer.
export interface GroupCommit<Item, Result> {
  /** Resolves once the item's group is durable. Rejects with what the group's commit threw, or where too many wait. */
  add(item: Item): Promise<Result>;
}

export class GroupCommitFull extends Error {}

interface Waiting<Item, Result> {
  item: Item;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

export function createGroupCommit<Item, Result>(options: {
  /** Commits all items in one transaction and answers one result for each, in order. */
  commit(items: readonly Item[]): Promise<readonly Result[]>;
  /** False where the error is about the database and not about an item, so that every item would meet it. */
  isOfOne(error: unknown): boolean;
  itemsMax: number;
  commitsInFlightMax: number;
  waitingMax: number;
}): GroupCommit<Item, Result> {
  const waiting: Waiting<Item, Result>[] = [];
  let inFlight = 0;

  const flush = async (): Promise<void> => {
    const group = waiting.splice(0, options.itemsMax);
    if (group.length === 0) return;
    inFlight += 1;
    try {
      const results = await options.commit(group.map(({ item }) => item));
      group.forEach(({ resolve }, index) => resolve(results[index] as Result));
    } catch (error) {
      if (group.length === 1 || !options.isOfOne(error)) for (const { reject } of group) reject(error);
      // One that cannot be committed must not take the others with it: alone, it fails alone.
      else
        for (const { item, resolve, reject } of group)
          await options.commit([item]).then(([result]) => resolve(result as Result), reject);
    } finally {
      inFlight -= 1;
      if (waiting.length > 0) void flush();
    }
  };

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        if (waiting.length >= options.waitingMax) {
          reject(new GroupCommitFull("too many wait to be committed"));
          return;
        }
        waiting.push({ item, resolve, reject });
        if (inFlight < options.commitsInFlightMax) void flush();
      }),
  };
}
