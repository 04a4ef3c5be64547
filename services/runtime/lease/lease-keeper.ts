// Runs tasks while their lease is held. Instances of a service share its tasks evenly.
import type { Kysely } from "kysely";
import type { Logger } from "../log.ts";
import { createWakeUp } from "../wake-up.ts";
import { announce, leaseMs, leave, releaseLeases, takeLeases, type Lease } from "./lease-store.ts";

export interface LeasedTask {
  name: string;
  /** Works until the signal aborts. One that throws is started again while the lease is held. */
  run(lease: Lease, signal: AbortSignal): Promise<void>;
}

export interface LeaseKeeper {
  /** Names of the tasks that run here now. */
  held(): string[];
  /** Ends all tasks and gives their leases back. */
  stop(): Promise<void>;
}

const renewEveryMs = 1_000;
const restartDelayMs = 1_000;
const watchEveryMs = 250;

interface RunningTask {
  lease: Lease;
  stop: AbortController;
  done: Promise<void>;
  /** When we must stop unless the lease was renewed; by the process's own steady clock. */
  validUntilMs: number;
}

export function startLeaseKeeper<Tables>(options: {
  db: Kysely<Tables>;
  holder: string;
  tasks: readonly LeasedTask[];
  log: Logger;
}): LeaseKeeper {
  const { db, holder, tasks, log } = options;
  const running = new Map<string, RunningTask>();
  const stopping = new AbortController();
  const pause = createWakeUp();

  const start = (task: LeasedTask, lease: Lease, validUntilMs: number): void => {
    const stop = new AbortController();
    running.set(task.name, { lease, stop, validUntilMs, done: keepRunning(task, lease, stop.signal, log) });
    log.debug({ task: task.name, epoch: lease.epoch }, "lease_taken");
  };

  /** Tells a task to end. It keeps its lease until it has, so that its successor does not begin beside it. */
  const end = async (name: string): Promise<void> => {
    const task = running.get(name);
    if (!task) return;
    task.stop.abort();
    await task.done;
    if (running.get(name) === task) running.delete(name);
  };

  const isEnding = (name: string): boolean => running.get(name)?.stop.signal.aborted ?? false;

  /** Ending takes as long as what the task is in the middle of; the renewal of the others must not wait for it. */
  const endInBackground = (name: string): void => {
    if (isEnding(name)) return;
    void end(name)
      .then(() => releaseLeases(db, holder, [name]))
      .catch((error: unknown) => log.warn({ task: name, error: (error as Error).message }, "lease_not_given_back"));
  };

  const tick = async (): Promise<void> => {
    // From before the question, so that our idea of the end is never later than the database's.
    const validUntilMs = performance.now() + leaseMs;
    const { members, heldByOthers } = await announce(db, holder);
    const fairShare = Math.ceil(tasks.length / members);
    const staying = [...running.keys()].filter((name) => !isEnding(name));
    for (const name of staying.slice(fairShare)) endInBackground(name);
    const free = tasks.map((task) => task.name).filter((name) => !running.has(name) && !heldByOthers.has(name));
    const wanted = [...running.keys(), ...free.slice(0, Math.max(0, fairShare - staying.length))];
    const leases = new Map((await takeLeases(db, holder, wanted)).map((lease) => [lease.name, lease]));
    for (const [name, current] of running) {
      if (leases.get(name)?.epoch === current.lease.epoch) current.validUntilMs = validUntilMs;
      else endInBackground(name);
    }
    for (const task of tasks) {
      const lease = leases.get(task.name);
      if (lease && !running.has(task.name)) start(task, lease, validUntilMs);
    }
  };

  // The database may not answer at all: by our own clock, too, nothing goes on past its lease.
  const watching = setInterval(() => {
    const now = performance.now();
    for (const [name, task] of running) if (task.validUntilMs < now) endInBackground(name);
  }, watchEveryMs);

  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await tick().catch((error: unknown) => log.warn({ error: (error as Error).message }, "lease_renewal_failed"));
      await pause.wait(renewEveryMs, stopping.signal);
    }
  };
  const looping = loop();

  return {
    held: () => [...running.keys()],
    stop: async () => {
      stopping.abort();
      await looping;
      clearInterval(watching);
      await Promise.all([...running.keys()].map(end));
      await leave(db, holder).catch((error: unknown) => log.warn({ error: (error as Error).message }, "lease_not_given_back"));
    },
  };
}

async function keepRunning(task: LeasedTask, lease: Lease, signal: AbortSignal, log: Logger): Promise<void> {
  const pause = createWakeUp();
  while (!signal.aborted) {
    try {
      await task.run(lease, signal);
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ task: task.name, error: (error as Error).message }, "task_failed_and_restarts");
      await pause.wait(restartDelayMs, signal);
    }
  }
}
