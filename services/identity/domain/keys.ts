// When a key is published, when it signs, and when nobody needs it any more. Times come from the database, so that all replicas
// choose the same key.

/** How long an access token is good. */
export const accessTokenMs = 600_000;
/** A key is published so long before it signs: twice as long as a verifier keeps what it has read. */
export const publishLeadMs = 600_000;
/** How long a key signs before the next one is made. */
export const keyLifeMs = 30 * 24 * 3_600_000;
/** Clocks of those who verify may be so far behind ours. */
const leewayMs = 60_000;

export interface KeyTimes {
  keyId: string;
  signTime: Date;
}

const newestFirst = <Key extends KeyTimes>(keys: readonly Key[]): Key[] =>
  keys.toSorted((a, b) => b.signTime.getTime() - a.signTime.getTime());

/** The one that signs at the given time. */
export function signingKey<Key extends KeyTimes>(keys: readonly Key[], now: Date): Key | undefined {
  return newestFirst(keys).find(({ signTime }) => signTime <= now);
}

/** Those that sign, will sign, or have signed a token that may still be good; newest first. */
export function publishedKeys<Key extends KeyTimes>(keys: readonly Key[], now: Date): Key[] {
  const sorted = newestFirst(keys);
  return sorted.filter((_, index) => {
    const successor = sorted[index - 1];
    return !successor || successor.signTime.getTime() + accessTokenMs + leewayMs > now.getTime();
  });
}

export type KeyPlan<Key> = { kind: "on_its_way"; key: Key } | { kind: "make"; signTime: Date };

/** What is to be done for a next key. The first one signs at once: nobody has read any before. */
export function planNextKey<Key extends KeyTimes>(keys: readonly Key[], now: Date): KeyPlan<Key> {
  const [newest] = newestFirst(keys);
  if (!newest) return { kind: "make", signTime: now };
  if (newest.signTime > now) return { kind: "on_its_way", key: newest };
  return { kind: "make", signTime: new Date(now.getTime() + publishLeadMs) };
}

/** Whether the newest key has signed for long enough. */
export function isRotationDue(keys: readonly KeyTimes[], now: Date): boolean {
  const [newest] = newestFirst(keys);
  return newest !== undefined && newest.signTime.getTime() + keyLifeMs <= now.getTime();
}
