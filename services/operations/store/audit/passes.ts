// How far each walk has come in its pass, what each check has shown so far, and who waits for a whole pass.
import { sql, type Kysely, type Transaction } from "kysely";
import type { OperationsTables } from "../tables.ts";

export interface WalkPosition {
  pageToken: string;
  passTime: Date;
  failedChecks: string[];
}

/** Where a walk stands. One that has never gone begins a pass now. */
export async function readWalk(db: Kysely<OperationsTables>, walk: string, now: Date): Promise<WalkPosition> {
  const read = await sql<WalkPosition>`
    select page_token as "pageToken", pass_time as "passTime", failed_checks as "failedChecks"
    from audit_walk where walk = ${walk}`.execute(db);
  return read.rows[0] ?? { pageToken: "", passTime: now, failedChecks: [] };
}

export async function saveWalk(tx: Transaction<OperationsTables>, walk: string, position: WalkPosition): Promise<void> {
  const { pageToken, passTime, failedChecks } = position;
  await sql`
    insert into audit_walk (walk, page_token, pass_time, failed_checks)
    values (${walk}, ${pageToken}, ${passTime}, ${failedChecks}::text[])
    on conflict (walk) do update
      set page_token = excluded.page_token, pass_time = excluded.pass_time, failed_checks = excluded.failed_checks`.execute(tx);
}

/** What a page has shown for its checks; a problem says why one could not be made. */
export async function saveChecks(
  tx: Transaction<OperationsTables>,
  { checks, problems, keeps, rowsChecked, now }: CheckedPage,
): Promise<void> {
  await sql`
    insert into audit_check (check_name, rows_checked, last_run_time, problem)
    select check_name, case when problem = '' then ${rowsChecked}::bigint else 0 end, ${now}::timestamptz, problem
    from unnest(${[...checks]}::text[], ${checks.map((check) => problems.get(check) ?? "")}::text[]) as page (check_name, problem)
    on conflict (check_name) do update
      set rows_checked = audit_check.rows_checked + excluded.rows_checked, last_run_time = excluded.last_run_time,
        problem = case
          when excluded.problem = '' and audit_check.check_name = any(${[...keeps]}::text[]) then audit_check.problem
          else excluded.problem end`.execute(tx);
}

export interface CheckedPage {
  checks: readonly string[];
  problems: ReadonlyMap<string, string>;
  /** Checks whose earlier problem stays, also where this page had none. */
  keeps: readonly string[];
  rowsChecked: number;
  now: Date;
}

export async function completeChecks(
  tx: Transaction<OperationsTables>,
  { checks, passTime, now }: { checks: readonly string[]; passTime: Date; now: Date },
): Promise<void> {
  await sql`
    update audit_check set last_complete_time = ${now}, complete_pass_time = ${passTime}
    where check_name = any(${[...checks]})`.execute(tx);
}

export interface CheckProgress {
  check: string;
  rowsChecked: number;
  lastRunTime: Date | null;
  lastCompleteTime: Date | null;
  completePassTime: Date | null;
  problem: string;
}

export async function readChecks(db: Kysely<OperationsTables>): Promise<CheckProgress[]> {
  const read = await sql<CheckProgress>`
    select check_name as "check", rows_checked as "rowsChecked", last_run_time as "lastRunTime",
      last_complete_time as "lastCompleteTime", complete_pass_time as "completePassTime", problem
    from audit_check`.execute(db);
  return read.rows;
}

/** Asks for a whole pass. Whoever asks while one is asked for and still going on waits for the same. */
export async function requestPass(
  tx: Transaction<OperationsTables>,
  { now, joinSince }: { now: Date; joinSince: Date },
): Promise<Date> {
  const asked = await sql<{ requestTime: Date }>`
    update audit_request
    set request_time = case
      when request_time > ${joinSince}::timestamptz
        and exists (select from audit_check where coalesce(complete_pass_time, '-infinity') < request_time) then request_time
      else ${now}::timestamptz end
    returning request_time as "requestTime"`.execute(tx);
  const [row] = asked.rows;
  if (!row) throw new Error("audit_request has no row");
  return row.requestTime;
}

export async function readRequestTime(db: Kysely<OperationsTables>): Promise<Date | undefined> {
  const read = await sql<{ requestTime: Date | null }>`select request_time as "requestTime" from audit_request`.execute(db);
  return read.rows[0]?.requestTime ?? undefined;
}

/** Begins a pass anew. */
export async function restartWalk(tx: Transaction<OperationsTables>, walk: string, now: Date): Promise<void> {
  await saveWalk(tx, walk, { pageToken: "", passTime: now, failedChecks: [] });
}
