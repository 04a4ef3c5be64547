// Publishes what the outbox holds, in the order of commits. One relay works per service, fenced by its lease.
import { setTimeout as sleep } from "node:timers/promises";
import type { Kysely } from "kysely";
import type { Background } from "../background.ts";
import { crashPoint } from "../faults.ts";
import type { Lease } from "../lease/lease-store.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { WakeUp } from "../wake-up.ts";
import type { Bus } from "./bus.ts";
import { createPublisher, PublishFailed, type Published } from "./publish.ts";
import {
  addCheckpoint,
  forgetUnsent,
  keyNameOf,
  moveAndRead,
  readOutbox,
  readRetries,
  readUnsentKeys,
  setAside,
  type CursorMove,
  type Outbox,
  type OutboxRow,
} from "./relay-store.ts";
import { goBackToStream } from "./stream-check.ts";

const batchMax = 500;
/** Read beyond the batch, for rows that must go out before one of the batch. */
const lookAheadMax = 250;
/** Without a wake-up, so that no event is left lying where one was lost. */
const idleWaitMs = 1_000;
/** Where the cursor has not yet been moved to what is published. */
const unsavedWaitMs = 250;
/** While an older transaction is open: most last for milliseconds, and one that does not must not be asked after so often. */
const unsettledWaitMs = 3;
const unsettledWaitMsMax = 200;
const retryWaitMs = 500;
const checkpointEveryMs = 5_000;
/** How often the stream is asked whether it still has what it has acknowledged, besides after each reconnect. */
const streamCheckEveryMs = 30_000;

export interface RelayState {
  /** Age of the oldest event that is not yet published, in milliseconds; 0 where all are. */
  lagMs: number;
  /**
   * How much of that the relay has been able to publish, in milliseconds. While the stream takes nothing it is 0: that events wait
   * then is no sign of too many, and whoever wants to place an order need not be sent away.
   */
  backlogMs: number;
}

export interface Relay {
  state(): RelayState;
  run(lease: Lease, signal: AbortSignal): Promise<void>;
}

export interface RelayOptions<Tables> {
  service: string;
  db: Kysely<Tables>;
  bus: Pick<Bus, "connection" | "manager" | "inboxPrefix" | "restoreStreams">;
  wakeUp: WakeUp;
  background: Background;
  metrics: Metrics;
  log: Logger;
}

type Step = "worked" | "nothing" | "unsettled";

export function createRelay<Tables>(options: RelayOptions<Tables>): Relay {
  const { service, db, bus, wakeUp, background, log } = options;
  const labels = { service };
  const lag = options.metrics.gauge("ordermesh_relay_lag_seconds", "Age of the oldest unpublished event", ["service"]);
  const aside = options.metrics.gauge("ordermesh_events_unsent_keys", "Keys of which an event cannot be published", ["service"]);
  const published = options.metrics.counter("ordermesh_events_published_total", "Events published", ["service"]);
  const publish = createPublisher(bus);
  let oldestWaiting: Date | undefined;
  let keysAside = new Set<string>();
  let checkStreamAfterMs = 0;
  let checkpointAfterMs = 0;
  /**
   * What is published and not yet said in the database: it goes with the next look at the outbox, which often comes at once. Whoever
   * dies before leaves it to be published again, which the server and the inboxes drop.
   */
  let unsaved: CursorMove | undefined;
  void onReconnect(bus, () => {
    checkStreamAfterMs = 0;
    wakeUp.wake();
  });
  const lagMs = (): number => (oldestWaiting ? Math.max(0, Date.now() - oldestWaiting.getTime()) : 0);
  /** Since when the stream takes events; undefined while it does not. By the process's own steady clock. */
  let takenSinceMs: number | undefined = performance.now();
  const backlogMs = (): number => (takenSinceMs === undefined ? 0 : Math.min(lagMs(), performance.now() - takenSinceMs));

  const read = async (lease: Lease, rowsMax: number): Promise<Outbox> => {
    if (!unsaved) return readOutbox(db, rowsMax);
    const outbox = await moveAndRead(db, { lease, move: unsaved, rowsMax });
    unsaved = undefined;
    return outbox;
  };

  const save = async (lease: Lease): Promise<void> => {
    if (unsaved) await read(lease, 0);
  };

  const checkStream = async (lease: Lease): Promise<void> => {
    if (performance.now() < checkStreamAfterMs) return;
    // The stream is asked for the newest that it has acknowledged.
    await save(lease);
    const lost = await goBackToStream(db, bus, lease).catch((error: unknown) => {
      throw new PublishFailed((error as Error).message, { cause: error });
    });
    if (lost > 0) log.error({ events: lost }, "stream_lost_events_and_gets_them_again");
    checkStreamAfterMs = performance.now() + streamCheckEveryMs;
  };

  const keepAside = async (lease: Lease, events: Published["aside"]): Promise<void> => {
    if (events.length === 0) return;
    await db.transaction().execute((tx) => setAside(tx, lease, events));
    for (const { row, code, message } of events) {
      keysAside.add(keyNameOf(row));
      log.error({ event: row.id, type: row.typeName, key: row.key, code, reason: message }, "event_unsent");
    }
  };

  /** Tries events again that were set aside, where somebody has asked for it. */
  const retryAside = async (lease: Lease): Promise<void> => {
    const rows = await readRetries(db, batchMax);
    if (rows.length > 0) {
      const again = (await publish(rows, new Set())).aside;
      await keepAside(lease, again);
      const stillAside = new Set(again.map(({ row }) => row.id));
      const sent = rows.map(({ id }) => id).filter((id) => !stillAside.has(id));
      await db.transaction().execute((tx) => forgetUnsent(tx, lease, sent));
    }
    keysAside = await readUnsentKeys(db);
  };

  const send = async (lease: Lease, rows: readonly OutboxRow[], last: OutboxRow): Promise<void> => {
    crashPoint(`${service}.relay`, "before_publish");
    const { aside: unsent, acknowledged } = await publish(rows, keysAside);
    takenSinceMs ??= performance.now();
    crashPoint(`${service}.relay`, "after_publish");
    await keepAside(lease, unsent);
    published.inc(labels, rows.length - unsent.length);
    const position = { xid: last.xid, id: last.outboxId };
    unsaved = { from: last, to: position, acknowledged };
    if (acknowledged && performance.now() >= checkpointAfterMs) {
      checkpointAfterMs = performance.now() + checkpointEveryMs;
      await addCheckpoint(db, { position, acknowledged });
    }
  };

  const step = async (lease: Lease): Promise<Step> => {
    await checkStream(lease);
    if (keysAside.size > 0) await retryAside(lease);
    const { settled: rows, oldestTime, isUnsettled } = await read(lease, batchMax + lookAheadMax);
    const last = rows.slice(0, batchMax).at(-1);
    oldestWaiting = oldestTime;
    lag.set(labels, lagMs() / 1_000);
    aside.set(labels, keysAside.size);
    if (!last) return isUnsettled ? "unsettled" : "nothing";
    await send(lease, withOvertaken(rows), last);
    if (rows.length > batchMax) return "worked";
    // What was there is published. Whoever has committed since has woken us, and is read without having to wait.
    if (!isUnsettled) oldestWaiting = undefined;
    return isUnsettled ? "worked" : "nothing";
  };

  const work = async (lease: Lease, signal: AbortSignal): Promise<void> => {
    checkStreamAfterMs = 0;
    unsaved = undefined;
    keysAside = await readUnsentKeys(db);
    let unsettledRounds = 0;
    while (!signal.aborted) {
      try {
        const done = await background.run(() => step(lease));
        unsettledRounds = done === "unsettled" ? unsettledRounds + 1 : 0;
        if (done === "nothing") await wakeUp.wait(unsaved ? unsavedWaitMs : idleWaitMs, signal);
        if (done === "unsettled") await pause(unsettledWaitMs * 2 ** (unsettledRounds - 1), signal);
      } catch (error) {
        if (!(error instanceof PublishFailed)) throw error;
        log.warn({ error: error.message }, "relay_publish_failed");
        takenSinceMs = undefined;
        // The stream itself may be what is missing.
        checkStreamAfterMs = 0;
        await bus.restoreStreams(signal).catch((problem: unknown) => {
          if (!signal.aborted) log.error({ error: (problem as Error).message }, "streams_not_restored");
        });
        await wakeUp.wait(retryWaitMs, signal);
      }
    }
    await save(lease);
  };

  // Who runs no relay has nothing waiting: the holder of the lease tells of the lag.
  const forget = (): void => {
    oldestWaiting = undefined;
  };
  return {
    state: () => ({ lagMs: lagMs(), backlogMs: backlogMs() }),
    run: async (lease, signal) => {
      signal.addEventListener("abort", forget, { once: true });
      try {
        await work(lease, signal);
      } finally {
        // Once more: the step that the abort has met may have read what waits after it.
        if (signal.aborted) forget();
      }
    },
  };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.min(ms, unsettledWaitMsMax), undefined, { signal }).catch(() => {});
}

async function onReconnect({ connection }: Pick<Bus, "connection">, listener: () => void): Promise<void> {
  for await (const { type } of connection.status()) if (type === "reconnect") listener();
}

/**
 * The batch, and from beyond it what was written before one of its rows about the same key. What is taken early is
 * published again with its own batch, which the server and the inboxes drop.
 */
function withOvertaken(rows: readonly OutboxRow[]): OutboxRow[] {
  const batch = rows.slice(0, batchMax);
  const newest = new Map<string, number>();
  for (const row of batch) {
    const name = keyNameOf(row);
    newest.set(name, Math.max(row.outboxId, newest.get(name) ?? 0));
  }
  const overtaken = rows.slice(batchMax).filter((row) => row.outboxId < (newest.get(keyNameOf(row)) ?? 0));
  return [...batch, ...overtaken];
}
