// What a transaction has written for others to do, so that only they are woken after its commit.
export interface WrittenWork {
  /** "in_waves": what they begin is done with what others begin at nearly the same time; undefined where there are none. */
  events: "now" | "in_waves" | undefined;
  /** In how many milliseconds the first of the planned work is due; undefined where none was planned. */
  dueInMs: number | undefined;
}

export const noWork: WrittenWork = { events: undefined, dueInMs: undefined };

const written = new WeakMap<object, WrittenWork>();

export function workWrittenIn(tx: object): WrittenWork {
  return written.get(tx) ?? noWork;
}

export function noteEvents(tx: object, going: "now" | "in_waves"): void {
  const { events: before = going, ...work } = workWrittenIn(tx);
  written.set(tx, { ...work, events: before === "now" ? before : going });
}

export function notePlanned(tx: object, dueInMs: number): void {
  const { dueInMs: before = dueInMs, ...work } = workWrittenIn(tx);
  written.set(tx, { ...work, dueInMs: Math.min(before, dueInMs) });
}
