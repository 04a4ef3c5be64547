// From where the request came that the edge has in hand. The edge calls services like any process of the mesh does; only by this
// is a call known to be somebody's from outside, who is to be counted.
import { AsyncLocalStorage } from "node:async_hooks";

const addresses = new AsyncLocalStorage<string | undefined>();

/** Runs the work for somebody at an address: every call in it that serves no call already is counted as theirs. */
export function askedFrom<Result>(address: string, work: () => Result): Result {
  return addresses.run(address, work);
}

/** Runs what the process does for itself, whoever's request has led to it. */
export function askedByProcess<Result>(work: () => Result): Result {
  return addresses.run(undefined, work);
}

/** Undefined where the process calls for itself. */
export const addressInHand = (): string | undefined => addresses.getStore();
