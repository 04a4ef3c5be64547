// Tells the other processes what this one has granted, and takes from its own buckets what they have. Whoever asks at several
// replicas then gets about as much as at one. Nobody waits for it: a request is decided by what is known here.
//
// Messages may be lost, and while NATS is away none is kept: then each process limits by itself.
import { randomUUID } from "node:crypto";
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import type { Bucket } from "./bucket.ts";
import type { Buckets, Granted, OnUntold } from "./buckets.ts";
import { planNames, type Plan } from "./plan.ts";

/** Each process tells the others below it what it has granted. */
export const grantedSubjects = "ordermesh.limits.granted.*";
const subjectPrefix = grantedSubjects.slice(0, -2);
/** What is granted in so many milliseconds is told together. */
const tellEveryMs = 5;
/** Entries of a message, which has then 200 kB at most. */
const entriesMax = 1_000;
/** Of a key; ours are shorter. Characters. */
const keyLengthMax = 256;
/** Nobody grants as much in the time between two messages. Milliseconds. */
const spentMsMax = 86_400_000;

export interface SharedGrants {
  note: OnUntold;
  /** Says and hears no more. */
  close(): void;
}

interface Untold {
  plan: Plan;
  key: string;
}

export function shareGrants(connection: NatsConnection, buckets: Pick<Buckets, "charge">): SharedGrants {
  const ownSubject = `${subjectPrefix}.${randomUUID()}`;
  const pending = new Map<Bucket, Untold>();
  let telling: NodeJS.Timeout | undefined;

  const hear = (error: Error | null, message: Msg): void => {
    if (error || message.subject === ownSubject) return;
    for (const granted of grantsOf(message)) buckets.charge(granted);
  };
  const subscription = connection.subscribe(grantedSubjects, { callback: hear });

  const tell = (): void => {
    telling = undefined;
    const granted = [...pending].map(([bucket, { plan, key }]): Granted => {
      const spentMs = bucket.untold * plan.intervalMs;
      bucket.untold = 0;
      return { plan: plan.name, key, spentMs };
    });
    pending.clear();
    if (subscription.isClosed()) return;
    // While NATS is away the client of NATS drops it with each attempt to connect.
    for (let from = 0; from < granted.length; from += entriesMax) {
      connection.publish(ownSubject, JSON.stringify(granted.slice(from, from + entriesMax)));
    }
  };

  return {
    note: (plan, key, bucket) => {
      pending.set(bucket, { plan, key });
      telling ??= setTimeout(tell, tellEveryMs).unref();
    },
    close: () => {
      clearTimeout(telling);
      subscription.unsubscribe();
    },
  };
}

/** Nothing where it is not a message of ours. */
function grantsOf(message: Msg): Granted[] {
  try {
    const entries: unknown = message.json();
    return Array.isArray(entries) ? entries.filter(isGranted).slice(0, entriesMax) : [];
  } catch {
    return [];
  }
}

function isGranted(entry: unknown): entry is Granted {
  if (typeof entry !== "object" || entry === null) return false;
  const { plan, key, spentMs } = entry as Record<string, unknown>;
  return (
    planNames.some((name) => name === plan) &&
    typeof key === "string" &&
    key.length <= keyLengthMax &&
    typeof spentMs === "number" &&
    spentMs > 0 &&
    spentMs <= spentMsMax
  );
}
