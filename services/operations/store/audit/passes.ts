// How far each walk has come in its pass through the books of a tenant, and who waits for a whole pass.
import { sql, type Kysely, type Transaction } from "kysely";
import type { OperationsTables } from "../tables.ts";

/** A walk through the books of a tenant. */
export interface WalkKey {
  tenant: string;
  walk: string;
}

export interface WalkPosition {
  pageToken: string;
  passTime: Date;
  failedChecks: string[];
}

/** Where a walk stands. One that has never gone begins a pass now. */
export async function readWalk(db: Kysely<OperationsTables>, { tenant, walk }: WalkKey, now: Date): Promise<WalkPosition> {
  const read = await sql<WalkPosition>`
    select page_token as "pageToken", pass_time as "passTime", failed_checks as "failedChecks"
    from audit_walk where tenant_id = ${tenant} and walk = ${walk}`.execute(db);
  return read.rows[0] ?? { pageToken: "", passTime: now, failedChecks: [] };
}

export async function saveWalk(
  tx: Transaction<OperationsTables>,
  { tenant, walk }: WalkKey,
  position: WalkPosition,
): Promise<void> {
  const { pageToken, passTime, failedChecks } = position;
  await sql`
    insert into audit_walk (tenant_id, walk, page_token, pass_time, failed_checks)
    values (${tenant}, ${walk}, ${pageToken}, ${passTime}, ${failedChecks}::text[])
    on conflict (tenant_id, walk) do update
      set page_token = excluded.page_token, pass_time = excluded.pass_time, failed_checks = excluded.failed_checks`.execute(tx);
}

/** Begins passes anew, of each walk through the books of each tenant. */
export async function restartWalks(
  tx: Transaction<OperationsTables>,
  { tenants, walks, now }: { tenants: readonly string[]; walks: readonly string[]; now: Date },
): Promise<void> {
  await sql`
    insert into audit_walk (tenant_id, walk, pass_time)
    select tenant_id, walk, ${now}::timestamptz
    from unnest(${[...tenants]}::text[]) as tenant (tenant_id), unnest(${[...walks]}::text[]) as walk
    on conflict (tenant_id, walk) do update set page_token = '', pass_time = excluded.pass_time, failed_checks = '{}'`.execute(
    tx,
  );
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

/** When a whole pass was asked for that nobody has begun. */
export async function readOpenRequest(db: Kysely<OperationsTables>): Promise<Date | undefined> {
  const read = await sql<{ requestTime: Date }>`
    select request_time as "requestTime" from audit_request
    where request_time is not null and coalesce(begin_time, '-infinity') < request_time`.execute(db);
  return read.rows[0]?.requestTime;
}

export async function beginPass(tx: Transaction<OperationsTables>, now: Date): Promise<void> {
  await sql`update audit_request set begin_time = greatest(request_time, ${now}::timestamptz)`.execute(tx);
}
