// Publishes what the outbox holds, in the order of commits. One relay works per service, fenced by its lease.
import type { JetStreamClient } from "@nats-io/jetstream";
import { setTimeout as sleep } from "node:timers/promises";
import { sql, type Kysely } from "kysely";
import type { Lease } from "../lease/lease-store.ts";
import type { Logger } from "../log.ts";
import type { WakeUp } from "../wake-up.ts";
import { eventSubject } from "./contract.ts";
import { writeHeaders } from "./envelope.ts";
import type { OutgoingEvent } from "./outgoing.ts";

interface OutboxRow extends Omit<OutgoingEvent, "cause"> {
  outboxId: number;
  xid: string;
  causeId: string;
  traceparent: string;
  /** False while an older transaction is still open somewhere: what it writes would come before this row. */
  settled: boolean;
}

const batchMax = 500;
/** Read beyond the batch, for rows that must go out before one of the batch. */
const lookAheadMax = 250;
const keysInFlightMax = 128;
const publishTimeoutMs = 5_000;
/** Without a wake-up, so that events of other processes and a lost wake-up are not left lying. */
const idleWaitMs = 1_000;
/** While an older transaction is open: most last for milliseconds, and one that does not must not be asked after so often. */
const unsettledWaitMs = 3;
const unsettledWaitMsMax = 200;
const retryWaitMs = 500;

export interface RelayState {
  /** Age of the oldest event that is not yet published, in milliseconds; 0 where all are. */
  lagMs: number;
}

export interface Relay {
  state(): RelayState;
  run(lease: Lease, signal: AbortSignal): Promise<void>;
}

export function createRelay<Tables>(options: { db: Kysely<Tables>; js: JetStreamClient; wakeUp: WakeUp; log: Logger }): Relay {
  const { db, js, wakeUp, log } = options;
  let oldestWaiting: Date | undefined;

  const publish = async (row: OutboxRow): Promise<void> => {
    const { causeId, traceparent, ...event } = row;
    // A time-out means that the outcome is unknown: the repeat under the same Nats-Msg-Id is dropped by the server,
    // and where it is not, by every consumer's inbox.
    await js.publish(eventSubject(row.typeName, row.tenant, row.key), row.payload, {
      headers: writeHeaders({ ...event, cause: { id: causeId, traceparent } }),
      timeout: publishTimeoutMs,
    });
  };

  const publishBatch = async (rows: readonly OutboxRow[]): Promise<void> => {
    const chains = chainsOf(rows);
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let chain = chains[next++]; chain; chain = chains[next++]) {
        // One at a time per key: the second of two could otherwise arrive first.
        for (const row of chain) await publish(row);
      }
    };
    await Promise.all(Array.from({ length: Math.min(keysInFlightMax, chains.length) }, worker));
  };

  return {
    state: () => ({ lagMs: oldestWaiting ? Date.now() - oldestWaiting.getTime() : 0 }),
    run: async (lease, signal) => {
      let unsettledRounds = 0;
      // Who runs no relay has nothing waiting: the holder of the lease tells of the lag.
      signal.addEventListener("abort", () => (oldestWaiting = undefined), { once: true });
      while (!signal.aborted) {
        const rows = await readOutbox(db);
        oldestWaiting = rows[0]?.time;
        const settled = rows.filter((row) => row.settled);
        const last = settled.slice(0, batchMax).at(-1);
        if (!last) {
          if (rows.length === 0) await wakeUp.wait(idleWaitMs, signal);
          else
            await sleep(Math.min(unsettledWaitMs * 2 ** unsettledRounds, unsettledWaitMsMax), undefined, { signal }).catch(
              () => {},
            );
          unsettledRounds = rows.length === 0 ? 0 : unsettledRounds + 1;
          continue;
        }
        unsettledRounds = 0;
        try {
          await publishBatch(withOvertaken(settled));
        } catch (error) {
          log.warn({ error: (error as Error).message, waiting: rows.length }, "relay_publish_failed");
          await wakeUp.wait(retryWaitMs, signal);
          continue;
        }
        if (!(await moveCursor(db, lease, last))) throw new Error("another relay has taken over");
        if (last === rows.at(-1)) oldestWaiting = undefined;
      }
    },
  };
}

/**
 * The rows of each key, in the order in which they were written. That is not always the order of their transactions: one
 * that began first may have waited for a row that the other had locked, and has then written after it.
 */
function chainsOf(rows: readonly OutboxRow[]): OutboxRow[][] {
  const byKey = Map.groupBy(rows, (row) => `${row.tenant}.${row.key}`);
  return [...byKey.values()].map((chain) => chain.toSorted((one, other) => one.outboxId - other.outboxId));
}

/**
 * The batch, and from beyond it what was written before one of its rows about the same key. What is taken early is
 * published again with its own batch, which the server and the inboxes drop.
 */
function withOvertaken(settled: readonly OutboxRow[]): OutboxRow[] {
  const batch = settled.slice(0, batchMax);
  const newest = new Map<string, number>();
  for (const { tenant, key, outboxId } of batch) {
    newest.set(`${tenant}.${key}`, Math.max(outboxId, newest.get(`${tenant}.${key}`) ?? 0));
  }
  const overtaken = settled.slice(batchMax).filter((row) => row.outboxId < (newest.get(`${row.tenant}.${row.key}`) ?? 0));
  return [...batch, ...overtaken];
}

/**
 * The next rows in commit order. A row is settled once every transaction older than its own has ended; ordering by id
 * alone would skip a row whose transaction took its id early and committed late.
 */
async function readOutbox<Tables>(db: Kysely<Tables>): Promise<OutboxRow[]> {
  const read = await sql<OutboxRow>`
    select outbox.id as "outboxId", outbox.xid::text as xid, event_id as id, type_name as "typeName", tenant_id as tenant, key,
      sequence, event_time as time, cause_id as "causeId", traceparent, payload,
      outbox.xid < pg_snapshot_xmin(pg_current_snapshot()) as settled
    from outbox, relay_cursor
    where (outbox.xid, outbox.id) > (relay_cursor.xid, relay_cursor.id)
    order by outbox.xid, outbox.id
    limit ${batchMax + lookAheadMax}`.execute(db);
  return read.rows;
}

/** False where the lease is no longer ours: a newer relay goes on from its own reading. */
async function moveCursor<Tables>(db: Kysely<Tables>, lease: Lease, last: OutboxRow): Promise<boolean> {
  const moved = await sql`
    update relay_cursor set xid = ${last.xid}::xid8, id = ${last.outboxId}
    where exists (
      select 1 from lease where name = ${lease.name} and holder = ${lease.holder} and epoch = ${lease.epoch} for share
    )`.execute(db);
  return moved.numAffectedRows === 1n;
}
