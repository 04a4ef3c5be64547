// For tests with a time of their own: what a transaction plans counts from it, and not from the database's.
const givenTimes = new WeakMap<object, Date>();

export function giveTime(tx: object, now: Date): void {
  givenTimes.set(tx, now);
}

export const givenTimeOf = (tx: object): Date | undefined => givenTimes.get(tx);
