// Work at a time: rows with a due time, which survive restarts, can be cancelled, and fire once.
import { sql, type Transaction } from "kysely";
import { writeLate } from "../database/late-writes.ts";
import { notePlanned } from "../database/written-work.ts";
import { processClock } from "../faults.ts";
import { newId } from "../ids.ts";
import type { Cause } from "../events/outgoing.ts";

export interface DueItem {
  id: string;
  kind: string;
  tenant: string;
  key: string;
  dueTime: Date;
  /** From 1. */
  attempt: number;
  cause: Cause;
}

export interface DueWork {
  kind: string;
  /** Outside any transaction: the place for a call to a provider. It may run more than once for one item. */
  prepare?(item: DueItem): Promise<unknown>;
  /** In one transaction with the removal of the rows, so it takes effect once. */
  apply(tx: Transaction<never>, items: { item: DueItem; prepared: never }[]): Promise<void>;
}

export function dueWork<Tables, Prepared = undefined>(work: {
  kind: string;
  prepare?: (item: DueItem) => Promise<Prepared>;
  apply(tx: Transaction<Tables>, items: { item: DueItem; prepared: Prepared }[]): Promise<void>;
}): DueWork {
  return work as unknown as DueWork;
}

export interface NewDueItem {
  kind: string;
  tenant: string;
  key: string;
  dueTime: Date;
  /** True where another service has named the time, so that it is right whatever our own clock says. */
  isTold?: boolean;
  cause: Cause;
}

/**
 * Plans work. A second plan for the same kind, tenant and key moves the first.
 *
 * What is due is judged by the database's clock. A time that was counted from our own clock, where that is wrong by more
 * than a second, is moved by as much: "now" would otherwise come only when the wrong clock's hour has come.
 */
export async function planDue<Tables>(tx: Transaction<Tables>, items: readonly NewDueItem[]): Promise<void> {
  if (items.length === 0) return;
  for (const { dueTime } of items) notePlanned(tx, dueTime);
  const plan = sql`
    with clocks as (select clock_timestamp() - ${processClock.now()}::timestamptz as behind)
    insert into due_work (id, kind, tenant_id, key, due_time, cause_id, traceparent)
    select id, kind, tenant_id, key,
      case when is_told or behind between interval '-1 s' and interval '1 s' then due_time else due_time + behind end,
      cause_id, traceparent
    from clocks, unnest(
      ${items.map(() => newId("due"))}::text[],
      ${items.map((item) => item.kind)}::text[],
      ${items.map((item) => item.tenant)}::text[],
      ${items.map((item) => item.key)}::text[],
      ${items.map((item) => item.dueTime)}::timestamptz[],
      ${items.map((item) => item.isTold === true)}::boolean[],
      ${items.map((item) => item.cause.id)}::text[],
      ${items.map((item) => item.cause.traceparent)}::text[]
    ) as planned (id, kind, tenant_id, key, due_time, is_told, cause_id, traceparent)
    on conflict (kind, tenant_id, key) do update
      set id = excluded.id, due_time = excluded.due_time, attempt = 0, claimed_until = null,
          cause_id = excluded.cause_id, traceparent = excluded.traceparent`;
  await writeLate(tx, plan);
}

/**
 * Takes planned work back. Work that is being prepared finds its row gone and has no effect. Work that is being applied
 * is not waited for, because it may wait for what this transaction has locked: it must look whether it is still wanted.
 */
export async function cancelDue<Tables>(
  tx: Transaction<Tables>,
  kind: string,
  items: readonly { tenant: string; key: string }[],
): Promise<void> {
  if (items.length === 0) return;
  const takeBack = sql`
    delete from due_work where id in (
      select id from due_work
      where kind = ${kind} and (tenant_id, key) in (
        select * from unnest(${items.map((item) => item.tenant)}::text[], ${items.map((item) => item.key)}::text[])
      )
      for update skip locked
    )`;
  await writeLate(tx, takeBack);
}
