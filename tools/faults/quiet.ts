// Waits until nothing is under way any more: no command open, no order on its way, no event unheard, no work due.
import { setTimeout as sleep } from "node:timers/promises";
import type { JetStreamManager } from "@nats-io/jetstream";
import type pg from "pg";
import { eventStream } from "#runtime/events/streams.ts";
import { jobKind } from "#runtime/schedule/job-store.ts";

export interface UnderWay {
  commands: number;
  orders: number;
  /** Events that are not yet published. */
  outbox: number;
  /** Events that somebody has not yet handled. */
  unheard: number;
  /** Work that is due now or soon. */
  due: number;
  /** Work that waits for a time that is still to come. */
  dueLater: number;
}

export interface QuietOptions {
  db: pg.Client;
  manager: JetStreamManager;
  services: readonly string[];
  openCommands(): number;
}

const askEveryMs = 500;
/** An order lives for less. */
const soonSeconds = 90;

/** The parts are read one after the other, so that something may slip from one to the other in between: it must stay quiet. */
const quietLooks = 3;

/** Answers what is still under way when it is quiet or the time is over; what is due later is not waited for. */
export async function untilQuiet(options: QuietOptions & { timeoutMs: number; signal: AbortSignal }): Promise<UnderWay> {
  const endMs = performance.now() + options.timeoutMs;
  for (let looks = 0; ;) {
    const underWay = await readUnderWay(options);
    looks = isQuiet(underWay) ? looks + 1 : 0;
    if (looks === quietLooks || performance.now() > endMs || options.signal.aborted) return underWay;
    await sleep(askEveryMs, undefined, { signal: options.signal }).catch(() => {});
  }
}

export const isQuiet = ({ dueLater: _later, ...now }: UnderWay): boolean => Object.values(now).every((count) => count === 0);

/**
 * The provider's tok_error never answers: that payments goes on asking is right, and no end is waited for. Nor does what runs at set
 * times have one, nor alerts, which are planned for as long as there is something to tell of.
 */
export const hasNoEnd = `(kind in ('${jobKind}', 'operations.alert') or kind = 'payments.settle'
  and key in (select order_id from orders.orders where payment_token = 'tok_error'))`;

/** Payments looks only after minutes whether an ask that was cut off has reached the provider after all. */
const dueLater = `kind = 'payments.settle' or greatest(due_time, claimed_until) > now() + interval '${soonSeconds} s'`;

async function readUnderWay({ db, manager, services, openCommands }: QuietOptions): Promise<UnderWay> {
  const sum = (statement: (service: string) => string): Promise<number> => count(db, services.map(statement).join(" union all "));
  const dueIn = (service: string, isLater: boolean): string =>
    `from ${service}.due_work where (${dueLater}) = ${isLater} and not ${hasNoEnd}`;
  const later = services.map((service) => `select key ${dueIn(service, true)}`).join(" union all ");
  return {
    commands: openCommands(),
    orders: await count(
      db,
      `select count(*) from orders.orders where state not in ('delivered', 'returned', 'cancelled') and order_id not in (${later})`,
    ),
    outbox: await sum(
      (service) =>
        `select count(*) from ${service}.outbox, ${service}.relay_cursor where (outbox.xid, outbox.id) > (relay_cursor.xid, relay_cursor.id)`,
    ),
    unheard: await countUnheard(manager),
    due: await sum((service) => `select count(*) ${dueIn(service, false)}`),
    dueLater: await sum((service) => `select count(*) ${dueIn(service, true)}`),
  };
}

async function count(db: pg.Client, statement: string): Promise<number> {
  const read = await db.query<{ sum: string | null }>(`select sum(count) from (${statement}) as counted`);
  return Number(read.rows[0]?.sum ?? 0);
}

async function countUnheard(manager: JetStreamManager): Promise<number> {
  let unheard = 0;
  for await (const { num_pending: pending, num_ack_pending: unacknowledged } of manager.consumers.list(eventStream)) {
    unheard += pending + unacknowledged;
  }
  return unheard;
}
