// The due rows: claimed, done, and removed in the transaction of their effect.
import { sql, type Kysely, type Transaction } from "kysely";
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
const claimSeconds = 30;

/** Claims rows that are due at the given time, oldest first, and counts the attempt. */
export async function claimDue<Tables>(
  db: Kysely<Tables>,
  { kinds, now, itemsMax }: { kinds: string[]; now: Date; itemsMax: number },
): Promise<ClaimedItem[]> {
  const claimed = await sql<ClaimedItem>`
    update due_work
    set attempt = attempt + 1, claimed_until = ${now}::timestamptz + make_interval(secs => ${claimSeconds})
    where id in (
      select id from due_work
      where due_time <= ${now} and (claimed_until is null or claimed_until < ${now}) and kind = any(${kinds})
      order by due_time
      limit ${itemsMax}
      for update skip locked
    )
    returning id, kind, tenant_id as tenant, key, due_time as "dueTime", attempt, cause_id as "causeId", traceparent`.execute(db);
  return claimed.rows;
}

/** When the next row falls due or its claim ends; undefined where there is none. */
export async function nextDueTime<Tables>(db: Kysely<Tables>, kinds: string[]): Promise<Date | undefined> {
  const next = await sql<{ time: Date | null }>`
    select min(greatest(due_time, coalesce(claimed_until, due_time))) as time from due_work where kind = any(${kinds})`.execute(
    db,
  );
  return next.rows[0]?.time ?? undefined;
}

/** Gives failed rows back, to be claimed again at the given time. */
export async function postponeDue<Tables>(db: Kysely<Tables>, items: readonly ClaimedItem[], retryTime: Date): Promise<void> {
  await sql`
    update due_work set due_time = ${retryTime}, claimed_until = null
    from unnest(${items.map((item) => item.id)}::text[], ${items.map((item) => item.attempt)}::integer[]) as failed (id, attempt)
    where due_work.id = failed.id and due_work.attempt = failed.attempt`.execute(db);
}

const dueItem = ({ causeId, traceparent, ...item }: ClaimedItem): DueItem => ({ ...item, cause: { id: causeId, traceparent } });

/**
 * Does claimed work of one kind: prepares it outside, then applies it and removes the rows in one transaction.
 * A row that was cancelled, moved or claimed by another in the meantime is left out. Throws where the work does.
 */
export async function completeDue<Tables>(
  database: { transaction<Result>(work: (tx: Transaction<Tables>) => Promise<Result>): Promise<Result> },
  work: DueWork,
  claimed: readonly ClaimedItem[],
): Promise<void> {
  const prepared = await Promise.all(
    claimed.map(async (row) => {
      const item = dueItem(row);
      return { item, prepared: await work.prepare?.(item) };
    }),
  );
  await database.transaction(async (tx) => {
    const removed = await sql<{ id: string }>`
      delete from due_work using unnest(
        ${claimed.map((row) => row.id)}::text[], ${claimed.map((row) => row.attempt)}::integer[]
      ) as done (id, attempt)
      where due_work.id = done.id and due_work.attempt = done.attempt
      returning due_work.id`.execute(tx);
    const mine = new Set(removed.rows.map((row) => row.id));
    const items = prepared.filter(({ item }) => mine.has(item.id));
    if (items.length > 0) await work.apply(tx as unknown as Transaction<never>, items as { item: DueItem; prepared: never }[]);
  });
}
