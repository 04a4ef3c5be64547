// Runs tasks while their lease is held. Instances of a service share its tasks evenly.
import type { Kysely } from "kysely";
import type { Logger } from "../log.ts";
import { createWakeUp } from "../wake-up.ts";
import { announce, leaseMs, LeaseLost, leave, releaseLeases, takeLeases, type Lease } from "./lease-store.ts";

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

const renewEveryMs = leaseMs / 4;
const restartDelayMs = 1_000;
const watchEveryMs = 250;

interface RunningTask {
  lease: Lease;
  stop: AbortController;
  done: Promise<void>;
  /** True once it has come to its end, of itself or because it was told to. Its lease is then ours to give back. */
  hasEnded: boolean;
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
    const current: RunningTask = { lease, stop, validUntilMs, hasEnded: false, done: keepRunning(task, lease, stop.signal, log) };
    running.set(task.name, current);
    void current.done.then(() => {
      current.hasEnded = true;
      // The next round gives its lease back.
      pause.wake();
    });
    log.debug({ task: task.name, epoch: lease.epoch }, "lease_taken");
  };

  /**
   * Tells a task to end. It keeps its lease until it has, so that its successor does not begin beside it; that takes as
   * long as what it is in the middle of, and the renewal of the others must not wait for it.
   */
  const end = (name: string): void => running.get(name)?.stop.abort();

  /** Leases are renewed and given back by one hand only: a renewal could otherwise undo what was given back. */
  const giveBackEnded = async (): Promise<void> => {
    const ended = [...running].filter(([, { hasEnded }]) => hasEnded).map(([name]) => name);
    if (ended.length === 0) return;
    await releaseLeases(db, holder, ended);
    for (const name of ended) running.delete(name);
  };

  const tick = async (): Promise<void> => {
    await giveBackEnded();
    // From before the question, so that our idea of the end is never later than the database's.
    const validUntilMs = performance.now() + leaseMs;
    const { members, heldByOthers } = await announce(db, holder);
    const fairShare = Math.ceil(tasks.length / members);
    const staying = [...running].filter(([, { stop }]) => !stop.signal.aborted).map(([name]) => name);
    for (const name of staying.slice(fairShare)) end(name);
    const free = tasks.map((task) => task.name).filter((name) => !running.has(name) && !heldByOthers.has(name));
    const wanted = [...running.keys(), ...free.slice(0, Math.max(0, fairShare - staying.length))];
    const leases = new Map((await takeLeases(db, holder, wanted)).map((lease) => [lease.name, lease]));
    for (const [name, current] of running) {
      if (leases.get(name)?.epoch === current.lease.epoch) current.validUntilMs = validUntilMs;
      else end(name);
    }
    for (const task of tasks) {
      const lease = leases.get(task.name);
      if (lease && !running.has(task.name)) start(task, lease, validUntilMs);
    }
  };

  // The database may not answer at all: by our own clock, too, nothing goes on past its lease.
  const watching = setInterval(() => {
    const now = performance.now();
    for (const [name, task] of running) if (task.validUntilMs < now) end(name);
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
      for (const name of running.keys()) end(name);
      await Promise.all([...running.values()].map(({ done }) => done));
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
      // Not ours any more: to go on would be to take events from those who may handle them.
      if (signal.aborted || error instanceof LeaseLost) return;
      log.warn({ task: task.name, error: (error as Error).message }, "task_failed_and_restarts");
      await pause.wait(restartDelayMs, signal);
    }
  }
}
