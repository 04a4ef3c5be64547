// What a transaction has written for others to do, so that only they are woken after its commit.
export interface WrittenWork {
  events: boolean;
  /** When the first of the planned work is due; undefined where none was planned. */
  dueTime: Date | undefined;
}

export const noWork: WrittenWork = { events: false, dueTime: undefined };

const written = new WeakMap<object, WrittenWork>();

export function workWrittenIn(tx: object): WrittenWork {
  return written.get(tx) ?? noWork;
}

export function noteEvents(tx: object): void {
  written.set(tx, { ...workWrittenIn(tx), events: true });
}

export function notePlanned(tx: object, dueTime: Date): void {
  const { dueTime: before, ...work } = workWrittenIn(tx);
  written.set(tx, { ...work, dueTime: before && before < dueTime ? before : dueTime });
}
