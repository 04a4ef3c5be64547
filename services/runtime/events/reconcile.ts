// Brings what the server has to what the code declares: made, changed, or refused with words; never silently ignored.
import { JetStreamApiError } from "@nats-io/jetstream";
import { errors } from "@nats-io/transport-node";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { StartupError } from "../backing/startup-error.ts";

export interface Reconciled<Config> {
  /** Such as "Stream EVENTS". */
  what: string;
  declared: Config;
  /** Undefined where there is none. */
  read(): Promise<object | undefined>;
  add(): Promise<unknown>;
  update(existing: object): Promise<unknown>;
}

const readyMsMax = 30_000;
const readyEveryMs = 500;
/** JetStream's codes for a cluster that has no leader or too few servers at this moment. */
const passingCodes = new Set([10005, 10008, 10023, 10074, 10118]);

/** Waits for a server that is not ready, until the signal aborts. Throws StartupError where the server refuses the change, or says yes and does otherwise. */
export async function reconcile<Config extends object>(wanted: Reconciled<Config>, signal?: AbortSignal): Promise<void> {
  await untilReady(wanted.what, signal, async () => {
    const existing = await wanted.read();
    const before = existing ? differences(wanted.declared, existing) : [];
    if (existing && before.length === 0) return;
    try {
      await (existing ? wanted.update(existing) : wanted.add());
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || isPassing(error)) throw error;
      throw new StartupError(
        `${wanted.what} cannot be what this version declares: ${error.message}${before.length > 0 ? ` (it differs in ${before.join("; ")})` : ""}. ` +
          "Set it back, or drain it and delete it so that it is made anew.",
      );
    }
    const after = differences(wanted.declared, (await wanted.read()) ?? {});
    if (after.length === 0) return;
    throw new StartupError(`${wanted.what}: the server took the change and ignored ${after.join("; ")}. It may be too old.`);
  });
}

/** What is declared and is not so, each as "field: is X, declared Y". */
export function differences(declared: object, actual: object): string[] {
  const found = new Map<string, unknown>(Object.entries(actual));
  return Object.entries(declared)
    .filter(([field, value]) => value !== undefined && !isDeepStrictEqual(comparable(value), comparable(found.get(field))))
    .map(([field, value]) => `${field}: is ${JSON.stringify(found.get(field))}, declared ${JSON.stringify(value)}`);
}

/** Lists of subjects have no order, and an empty one may be left out. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(String).toSorted();
  return value;
}

const isPassing = (error: unknown): boolean =>
  error instanceof JetStreamApiError
    ? passingCodes.has(error.code) || error.status === 503
    : error instanceof errors.TimeoutError || error instanceof errors.NoRespondersError || error instanceof errors.RequestError;

/** Where only one service may make streams, the others wait for it as they wait for a leader. */
function remedyFor(error: unknown): string {
  const isForbidden = [error, (error as Error).cause].some((one) => one instanceof errors.PermissionViolationError);
  return isForbidden
    ? "This NATS user may not make it. Streams are made by the user of operations: start that process; for consumers, give the " +
        "server what npm run certificates writes for this version."
    : "Look whether JetStream has its leader.";
}

/** A cluster that has just begun takes a moment until it can answer. */
async function untilReady(what: string, signal: AbortSignal | undefined, work: () => Promise<void>): Promise<void> {
  const endMs = performance.now() + readyMsMax;
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (!isPassing(error) || signal?.aborted) throw error;
      if (performance.now() > endMs) {
        throw new StartupError(
          `${what} could not be made in ${readyMsMax / 1_000} s: ${(error as Error).message}. ${remedyFor(error)}`,
        );
      }
      await sleep(readyEveryMs);
    }
  }
}
