// The due rows: claimed, done, and removed in the transaction of their effect.
import { sql, type Kysely, type Transaction } from "kysely";
import { commitLazily } from "../database/commit-lazily.ts";
import { actFor, byTenant } from "../database/scope.ts";
import { crashPoint, shortenedMs } from "../faults.ts";
import { runInContext } from "../request-context.ts";
import type { DueItem, DueWork } from "./due-work.ts";

/** A due row as it is read. */
export interface ClaimedItem {
  id: string;
  kind: string;
  tenant: string;
  key: string;
  dueTime: Date;
  attempt: number;
  causeId: string;
  traceparent: string;
}

/** How long a claim keeps others away; whoever dies with it is replaced then. */
const claimSeconds = shortenedMs("ORDERMESH_TEST_CLAIM_MS", 30_000) / 1_000;

export interface Claim {
  claimed: ClaimedItem[];
  /** Milliseconds until the next row falls due or a claim ends, 0 where more may be due now; undefined where there is none. */
  nextInMs: number | undefined;
}

/**
 * Claims rows that are due, oldest first, counts the attempt, and says when to come again. What is due is judged by the
 * database's clock, as leases are: a process whose clock is wrong ends nothing before its time and keeps no claim too long.
 * A claim may be lost with the server; then the row is claimed again, and removed with its effect by whoever comes first.
 *
 * What is planned for later is not looked through, however much it is: only the first of it is read.
 */
export async function claimDue<Tables>(
  db: Kysely<Tables>,
  { kinds, itemsMax }: { kinds: string[]; itemsMax: number },
): Promise<Claim> {
  const read = await sql<{ claimed: (Omit<ClaimedItem, "dueTime"> & { dueTime: string })[] | null; nextInMs: number | null }>`
    with claimed as (
      update due_work
      set attempt = attempt + 1, claimed_until = now() + make_interval(secs => ${claimSeconds})
      where ${commitLazily} and id = any(array(
        select id from due_work
        where due_time <= now() and (claimed_until is null or claimed_until < now()) and kind = any(${kinds})
        order by due_time
        limit ${itemsMax}
        for update skip locked
      ))
      returning id, kind, tenant_id as tenant, key, due_time as "dueTime", attempt, cause_id as "causeId", traceparent
    )
    select
      (select json_agg(claimed) from claimed) as claimed,
      (
        select (extract(epoch from case
          when count(*) >= ${itemsMax} then now()
          else least(
            (select due_time from due_work where due_time > now() order by due_time limit 1),
            (select min(claimed_until) from due_work where due_time <= now() and claimed_until > now())
          ) end - now()) * 1000)::float8
        from claimed
      ) as "nextInMs"`.execute(db);
  const row = read.rows[0];
  const claimed = (row?.claimed ?? []).map((item) => ({ ...item, dueTime: new Date(item.dueTime) }));
  return { claimed, nextInMs: row?.nextInMs ?? undefined };
}

/** Gives failed rows back, to be claimed again after a delay. */
export async function postponeDue<Tables>(db: Kysely<Tables>, items: readonly ClaimedItem[], delayMs: number): Promise<void> {
  await sql`
    update due_work set due_time = now() + make_interval(secs => ${delayMs / 1_000}), claimed_until = null
    from unnest(${items.map((item) => item.id)}::text[], ${items.map((item) => item.attempt)}::integer[]) as failed (id, attempt)
    where due_work.id = failed.id and due_work.attempt = failed.attempt`.execute(db);
}

/** Runs work for the tenant of a row, with what caused the row as its cause. */
export function inContextOf<Result>(row: ClaimedItem | undefined, work: () => Promise<Result>): Promise<Result> {
  if (!row) return work();
  return runInContext({ requestId: row.causeId, traceparent: row.traceparent, tenant: row.tenant }, work);
}

export const dueItem = ({ causeId, traceparent, ...item }: ClaimedItem): DueItem => ({
  ...item,
  cause: { id: causeId, traceparent },
});

export interface PreparedItem {
  row: ClaimedItem;
  prepared: unknown;
}

const itemOf = ({ row, prepared }: PreparedItem) => ({ item: dueItem(row), prepared: prepared as never });

/** The first half of claimed work, outside any transaction. */
export async function prepareDue(work: DueWork, row: ClaimedItem): Promise<PreparedItem> {
  return { row, prepared: await inContextOf(row, async () => work.prepare?.(dueItem(row))) };
}

/**
 * The second half: applies prepared work of one kind and removes its rows, in one transaction over all tenants, in which the
 * work has those of one tenant at a time. A row that was
 * cancelled, moved or claimed by another in the meantime is left out. Throws where the work does.
 */
export async function applyDue<Tables>(
  database: { transaction<Result>(work: (tx: Transaction<Tables>) => Promise<Result>): Promise<Result> },
  work: DueWork,
  prepared: readonly PreparedItem[],
): Promise<void> {
  const ids = prepared.map(({ row }) => row.id);
  await database.transaction(async (tx) => {
    const removed = await sql<{ id: string }>`
      delete from due_work where id = any(${ids}::text[]) and (id, attempt) in (
        select * from unnest(${ids}::text[], ${prepared.map(({ row }) => row.attempt)}::integer[])
      )
      returning id`.execute(tx);
    const mine = new Set(removed.rows.map((row) => row.id));
    const items = prepared.filter(({ row }) => mine.has(row.id));
    for (const [tenant, own] of byTenant(items, ({ row }) => row.tenant)) {
      await actFor(tx, tenant);
      await inContextOf(own[0]?.row, () => work.apply(tx as unknown as Transaction<never>, own.map(itemOf)));
    }
    crashPoint(work.kind, "before_commit");
  });
}
