// What a transaction has written for others to do, so that only they are woken after its commit.
export interface WrittenWork {
  events: boolean;
  /** In how many milliseconds the first of the planned work is due; undefined where none was planned. */
  dueInMs: number | undefined;
}

export const noWork: WrittenWork = { events: false, dueInMs: undefined };

const written = new WeakMap<object, WrittenWork>();

export function workWrittenIn(tx: object): WrittenWork {
  return written.get(tx) ?? noWork;
}

export function noteEvents(tx: object): void {
  written.set(tx, { ...workWrittenIn(tx), events: true });
}

export function notePlanned(tx: object, dueInMs: number): void {
  const { dueInMs: before = dueInMs, ...work } = workWrittenIn(tx);
  written.set(tx, { ...work, dueInMs: Math.min(before, dueInMs) });
}
