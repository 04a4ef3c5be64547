// What the sweeper has done about findings, one row each, and when it may try again.
import { sql, type Kysely, type Transaction } from "kysely";
import type { SweepActionName } from "../../domain/sweep.ts";
import type { OperationsTables } from "../tables.ts";

export interface SweepItem {
  violationId: string;
  tenant: string;
  check: string;
  key: string;
  attempts: number;
}

/**
 * Findings that are the sweeper's to mend and not left alone for now: the oldest of each tenant before the second oldest of any, so
 * that nobody's waits for all of another's.
 */
export async function readSweepItems(
  db: Kysely<OperationsTables>,
  { checks, now, rowsMax }: { checks: readonly string[]; now: Date; rowsMax: number },
): Promise<SweepItem[]> {
  const read = await sql<SweepItem>`
    select violation_id as "violationId", finding.tenant_id as tenant, check_name as "check", key, coalesce(attempts, 0) as attempts
    from audit_finding finding left join sweep_action using (violation_id)
    where check_name = any(${[...checks]}) and coalesce(next_time <= ${now}::timestamptz, true)
    order by row_number() over (partition by finding.tenant_id order by first_seen_time, violation_id), first_seen_time, violation_id
    limit ${rowsMax}`.execute(db);
  return read.rows;
}

export interface Sweep {
  violationId: string;
  tenant: string;
  action: SweepActionName;
  orderId: string;
  reason: string;
  /** Empty where it was mended. */
  problem: string;
  time: Date;
  nextTime: Date;
}

export async function saveSweeps(tx: Transaction<OperationsTables>, sweeps: readonly Sweep[]): Promise<void> {
  if (sweeps.length === 0) return;
  await sql`
    insert into sweep_action (violation_id, tenant_id, action, order_id, reason, problem, attempts, action_time, next_time)
    select violation_id, tenant_id, action, order_id, reason, problem, 1, action_time, next_time
    from unnest(
      ${sweeps.map(({ violationId }) => violationId)}::text[],
      ${sweeps.map(({ tenant }) => tenant)}::text[],
      ${sweeps.map(({ action }) => action)}::text[],
      ${sweeps.map(({ orderId }) => orderId)}::text[],
      ${sweeps.map(({ reason }) => reason)}::text[],
      ${sweeps.map(({ problem }) => problem)}::text[],
      ${sweeps.map(({ time }) => time)}::timestamptz[],
      ${sweeps.map(({ nextTime }) => nextTime)}::timestamptz[]
    ) as swept (violation_id, tenant_id, action, order_id, reason, problem, action_time, next_time)
    on conflict (violation_id) do update
      set action = excluded.action, reason = excluded.reason, problem = excluded.problem, attempts = sweep_action.attempts + 1,
        action_time = excluded.action_time, next_time = excluded.next_time`.execute(tx);
}

/** The newest; of the tenant, where one is given. */
export async function listSweeps(
  db: Kysely<OperationsTables>,
  { tenant, rowsMax }: { tenant: string | undefined; rowsMax: number },
): Promise<Omit<Sweep, "violationId" | "nextTime">[]> {
  const read = await sql<Omit<Sweep, "violationId" | "nextTime">>`
    select tenant_id as tenant, action, order_id as "orderId", reason, problem, action_time as time
    from sweep_action where ${tenant ?? null}::text is null or tenant_id = ${tenant ?? null}
    order by action_time desc, violation_id desc limit ${rowsMax}`.execute(db);
  return read.rows;
}

/** Actions that are older are of no interest any more. */
export async function forgetSweeps(
  tx: Transaction<OperationsTables>,
  { before, rowsMax }: { before: Date; rowsMax: number },
): Promise<void> {
  await sql`
    delete from sweep_action where violation_id in (
      select violation_id from sweep_action
      where action_time < ${before}::timestamptz and not exists (
        select from audit_finding where audit_finding.violation_id = sweep_action.violation_id
      )
      limit ${rowsMax}
    )`.execute(tx);
}
