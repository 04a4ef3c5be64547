// What a transaction has written for others to do, so that only they are woken after its commit.
export interface WrittenWork {
  events: boolean;
  dueWork: boolean;
}

const written = new WeakMap<object, WrittenWork>();

export function workWrittenIn(tx: object): WrittenWork {
  return written.get(tx) ?? { events: false, dueWork: false };
}

export function noteWritten(tx: object, kind: keyof WrittenWork): void {
  written.set(tx, { ...workWrittenIn(tx), [kind]: true });
}
