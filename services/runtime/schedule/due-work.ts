// Work at a time: rows with a due time, which survive restarts, can be cancelled, and fire once.
import { sql, type Transaction } from "kysely";
import { givenTimeOf } from "../database/given-time.ts";
import { writeLate } from "../database/late-writes.ts";
import { notePlanned } from "../database/written-work.ts";
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
  /** Hears that one has failed, and is to be tried again. */
  failed?(item: DueItem, error: Error): Promise<void>;
}

export function dueWork<Tables, Prepared = undefined>(work: {
  kind: string;
  prepare?: (item: DueItem) => Promise<Prepared>;
  apply(tx: Transaction<Tables>, items: { item: DueItem; prepared: Prepared }[]): Promise<void>;
  failed?: (item: DueItem, error: Error) => Promise<void>;
}): DueWork {
  return work as unknown as DueWork;
}

/**
 * What is due is judged by the database's clock, so what is counted from now is counted by it, too: our own clock may be wrong, and
 * may jump between two looks at it. A time is given where it was named before, by another service or when it was promised.
 */
export type DueTime = { inMs: number } | { at: Date };

export interface NewDueItem {
  kind: string;
  tenant: string;
  key: string;
  due: DueTime;
  cause: Cause;
}

/** Plans work. A second plan for the same kind, tenant and key moves the first. */
export async function planDue<Tables>(tx: Transaction<Tables>, items: readonly NewDueItem[]): Promise<void> {
  if (items.length === 0) return;
  for (const { due } of items) notePlanned(tx, "at" in due ? due.at.getTime() - Date.now() : due.inMs);
  const plan = sql`
    insert into due_work (id, kind, tenant_id, key, due_time, cause_id, traceparent)
    select id, kind, tenant_id, key,
      coalesce(due_time, coalesce(${givenTimeOf(tx) ?? null}::timestamptz, clock_timestamp()) + make_interval(secs => in_ms / 1000)),
      cause_id, traceparent
    from unnest(
      ${items.map(() => newId("due"))}::text[],
      ${items.map((item) => item.kind)}::text[],
      ${items.map((item) => item.tenant)}::text[],
      ${items.map((item) => item.key)}::text[],
      ${items.map(({ due }) => ("at" in due ? due.at : null))}::timestamptz[],
      ${items.map(({ due }) => ("at" in due ? null : due.inMs))}::float8[],
      ${items.map((item) => item.cause.id)}::text[],
      ${items.map((item) => item.cause.traceparent)}::text[]
    ) as planned (id, kind, tenant_id, key, due_time, in_ms, cause_id, traceparent)
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
  // Each key is looked up by itself. As a join the rows of the kind would be read, all of them, where the plan is of a time at which
  // there were few.
  const takeBack = sql`
    delete from due_work where id = any(array(
      select planned.id
      from unnest(${items.map((item) => item.tenant)}::text[], ${items.map((item) => item.key)}::text[]) as given (tenant_id, key)
      cross join lateral (
        select id from due_work
        where kind = ${kind} and due_work.tenant_id = given.tenant_id and due_work.key = given.key
        for update skip locked
      ) as planned
    ))`;
  await writeLate(tx, takeBack);
}
