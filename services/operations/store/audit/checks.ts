// What each check has shown so far in the books of each tenant.
import { sql, type Kysely, type RawBuilder, type Transaction } from "kysely";
import type { OperationsTables } from "../tables.ts";

export interface CheckedPage {
  tenant: string;
  checks: readonly string[];
  problems: ReadonlyMap<string, string>;
  /** Checks whose earlier problem stays, also where this page had none. */
  keeps: readonly string[];
  rowsChecked: number;
  now: Date;
}

/** What a page has shown for its checks; a problem says why one could not be made. */
export async function saveChecks(
  tx: Transaction<OperationsTables>,
  { tenant, checks, problems, keeps, rowsChecked, now }: CheckedPage,
): Promise<void> {
  await sql`
    insert into audit_check (tenant_id, check_name, rows_checked, last_run_time, problem)
    select ${tenant}, check_name, case when problem = '' then ${rowsChecked}::bigint else 0 end, ${now}::timestamptz, problem
    from unnest(${[...checks]}::text[], ${checks.map((check) => problems.get(check) ?? "")}::text[]) as page (check_name, problem)
    on conflict (tenant_id, check_name) do update
      set rows_checked = audit_check.rows_checked + excluded.rows_checked, last_run_time = excluded.last_run_time,
        problem = case
          when excluded.problem = '' and audit_check.check_name = any(${[...keeps]}::text[]) then audit_check.problem
          else excluded.problem end`.execute(tx);
}

export async function completeChecks(
  tx: Transaction<OperationsTables>,
  { tenant, checks, passTime, now }: { tenant: string; checks: readonly string[]; passTime: Date; now: Date },
): Promise<void> {
  await sql`
    update audit_check set last_complete_time = ${now}, complete_pass_time = ${passTime}
    where tenant_id = ${tenant} and check_name = any(${[...checks]})`.execute(tx);
}

/** Whose books are asked about, and which checks are made in them. */
export interface AuditScope {
  /** Undefined for all tenants. */
  tenant?: string | undefined;
  /** In whose name the checks of the installation stand. */
  home: string;
  tenantChecks: readonly string[];
  /** None where one tenant asks for its own. */
  installationChecks: readonly string[];
}

/** Every check that is to be made in the books of every tenant of the scope, made or not. */
const wanted = ({ tenant, home, tenantChecks, installationChecks }: AuditScope): RawBuilder<unknown> => sql`(
  select tenant_id, check_name from audited_tenant, unnest(${[...tenantChecks]}::text[]) as own (check_name)
  where ${tenant ?? null}::text is null or tenant_id = ${tenant ?? null}
  union all select ${home}, check_name from unnest(${[...installationChecks]}::text[]) as common (check_name)
) as wanted left join audit_check using (tenant_id, check_name)`;

export interface CheckProgress {
  check: string;
  rowsChecked: number;
  lastRunTime: Date | null;
  /** When it had come to its end for every tenant; null where for some it has not. */
  lastCompleteTime: Date | null;
  completePassTime: Date | null;
  /** Of the first tenant for which it could not be made. */
  problem: string;
}

/** Of each check, over all tenants of the scope. */
export async function readChecks(db: Kysely<OperationsTables>, scope: AuditScope): Promise<CheckProgress[]> {
  const read = await sql<CheckProgress>`
    select check_name as "check", coalesce(sum(rows_checked), 0)::bigint as "rowsChecked", max(last_run_time) as "lastRunTime",
      case when bool_and(last_complete_time is not null) then min(last_complete_time) end as "lastCompleteTime",
      case when bool_and(complete_pass_time is not null) then min(complete_pass_time) end as "completePassTime",
      coalesce((
        array_agg(case when tenant_id = ${scope.home} then problem else tenant_id || ': ' || problem end order by tenant_id)
          filter (where problem <> '')
      )[1], '') as problem
    from ${wanted(scope)} group by check_name`.execute(db);
  return read.rows;
}

/** Whether every check has come to its end in a pass that began at that time or later, or has said since why it cannot. */
export async function areSettled(db: Kysely<OperationsTables>, scope: AuditScope, since: Date): Promise<boolean> {
  const read = await sql`
    select 1 from ${wanted(scope)}
    where not coalesce(complete_pass_time >= ${since}::timestamptz, false)
      and not coalesce(problem <> '' and last_run_time >= ${since}::timestamptz, false)
    limit 1`.execute(db);
  return read.rows.length === 0;
}
