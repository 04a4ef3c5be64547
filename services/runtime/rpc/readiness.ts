// Whether this process can do its work: named checks, run on a timer and on demand, each bounded in time.
import { isDatabaseUnavailable } from "#runtime/errors.ts";
import type { Logger } from "#runtime/log.ts";

/** How long a check may take. Milliseconds. */
const checkTimeoutMs = 1_000;
/** How often the checks run. Milliseconds. */
const intervalMsDefault = 1_000;

/** Resolves where the thing works, and throws where it does not. */
export type Check = () => Promise<void> | void;

export interface Readiness {
  ready: boolean;
  /** "ok" or a few words, for each check. */
  checks: Record<string, string>;
}

export interface ReadinessOptions {
  checks: Record<string, Check>;
  log: Logger;
  intervalMs?: number;
}

/** Readiness that is kept up to date until it is stopped. Before the first run ends, nothing is ready. */
export interface ReadinessWatch {
  report: () => Readiness;
  /** Runs the checks, or joins the run that is under way. */
  refresh: () => Promise<Readiness>;
  /** Resolves when readiness has changed since this was asked, or when the watch has stopped. */
  changed: () => Promise<void>;
  /** From now on nothing is ready, so that balancers turn away before the port closes. */
  drain: () => void;
  stop: () => void;
  stopped: () => boolean;
}

export function watchReadiness({ checks, log, intervalMs = intervalMsDefault }: ReadinessOptions): ReadinessWatch {
  const unfinished = new Map<string, Promise<void>>();
  let current: Readiness = {
    ready: false,
    checks: Object.fromEntries(Object.keys(checks).map((name) => [name, "not checked yet"])),
  };
  let change = Promise.withResolvers<void>();
  let running: Promise<Readiness> | undefined;
  let draining = false;
  let stopped = false;

  const set = (next: Readiness): void => {
    const before = current;
    current = next;
    if (before.ready === next.ready && sameStates(before.checks, next.checks)) return;
    log.info(next, "readiness_changed");
    change.resolve();
    change = Promise.withResolvers();
  };

  const run = async (): Promise<Readiness> => {
    const states = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => [name, await stateOf(name, check)] as const),
    );
    const ready = !draining && states.every(([, state]) => state === "ok");
    if (!stopped) set({ ready, checks: Object.fromEntries(states) });
    return current;
  };

  const stateOf = async (name: string, check: Check): Promise<string> => {
    try {
      // A check that hangs is asked again only when it has ended: otherwise each second would leave one more behind.
      const result = unfinished.get(name) ?? Promise.try(check).finally(() => unfinished.delete(name));
      unfinished.set(name, result);
      await within(result, checkTimeoutMs);
      return "ok";
    } catch (error) {
      const state = describe(error);
      if (!stopped && current.checks[name] !== state) {
        log.warn({ check: name, reason: (error as Error).message }, "readiness_check_failed");
      }
      return state;
    }
  };

  const refresh = (): Promise<Readiness> => {
    running ??= run().finally(() => {
      running = undefined;
    });
    return running;
  };

  const timer = setInterval(() => void refresh(), intervalMs).unref();
  void refresh();
  return {
    report: () => current,
    refresh,
    changed: () => change.promise,
    drain: () => {
      draining = true;
      set({ ...current, ready: false });
    },
    stop: () => {
      clearInterval(timer);
      stopped = true;
      change.resolve();
    },
    stopped: () => stopped,
  };
}

class CheckTimeout extends Error {}

async function within(result: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new CheckTimeout(`no answer within ${timeoutMs} ms`)), timeoutMs).unref();
  });
  try {
    await Promise.race([result, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** A few words of ours. What the thing itself said goes to the log only. */
function describe(error: unknown): string {
  if (error instanceof CheckTimeout) return error.message;
  return isDatabaseUnavailable(error) ? "unreachable" : "failing";
}

function sameStates(one: Record<string, string>, other: Record<string, string>): boolean {
  return Object.entries(one).every(([name, state]) => other[name] === state);
}
