// Findings: suspects until they are seen again, violations then, gone when a whole pass has not seen them.
import { sql, type Kysely, type Transaction } from "kysely";
import { newId } from "#runtime/ids.ts";
import type { Cause } from "#runtime/events/outgoing.ts";
import type { Finding } from "../../domain/audit.ts";
import type { OperationsTables } from "../tables.ts";

export interface Violation extends Finding {
  violationId: string;
  tenant: string;
  firstSeenTime: Date;
  lastSeenTime: Date;
  cause: Cause;
}

interface ViolationRow extends Omit<Violation, "cause"> {
  causeId: string;
  traceparent: string;
}

const columns = sql`
  violation_id as "violationId", check_name as "check", tenant_id as tenant, key, message, figures,
  first_seen_time as "firstSeenTime", last_seen_time as "lastSeenTime", cause_id as "causeId", traceparent`;

const violationOf = ({ causeId, traceparent, ...row }: ViolationRow): Violation => ({
  ...row,
  cause: { id: causeId, traceparent },
});

export interface Seen {
  tenant: string;
  now: Date;
  cause: Cause;
  /** What was seen first before this time is no passing disagreement any more, where its events have been handled. */
  suspectSince: Date;
  /** What was seen first before this time is none, whatever is still under way. */
  suspectSinceAtMost: Date;
  /** The last message of the stream, and the one up to which every consumer has handled all. */
  streamSequence: number;
  handledSequence: number;
}

/** Writes down what a page showed. Certain findings are violations at once. */
export async function saveFindings(
  tx: Transaction<OperationsTables>,
  findings: readonly (Finding & { isCertain: boolean })[],
  seen: Seen,
): Promise<void> {
  if (findings.length === 0) return;
  // A key may be on two pages, as when rows move; PostgreSQL changes no row twice in one statement.
  const distinct = [...new Map(findings.map((finding) => [`${finding.check} ${finding.key}`, finding])).values()];
  const { tenant, now, cause, suspectSince, suspectSinceAtMost, streamSequence, handledSequence } = seen;
  await sql`
    insert into audit_finding (check_name, tenant_id, key, violation_id, state, message, figures, cause_id, traceparent,
      first_seen_sequence, first_seen_time, last_seen_time)
    select check_name, ${tenant}, key, violation_id, case when is_certain then 'violation' else 'suspect' end, message, figures,
      ${cause.id}, ${cause.traceparent}, ${streamSequence}::bigint, ${now}::timestamptz, ${now}::timestamptz
    from unnest(
      ${distinct.map(({ check }) => check)}::text[],
      ${distinct.map(({ key }) => key)}::text[],
      ${distinct.map(() => newId("vio"))}::text[],
      ${distinct.map(({ isCertain }) => isCertain)}::boolean[],
      ${distinct.map(({ message }) => message)}::text[],
      ${distinct.map(({ figures }) => JSON.stringify(figures))}::jsonb[]
    ) as seen (check_name, key, violation_id, is_certain, message, figures)
    on conflict (check_name, tenant_id, key) do update
      set message = excluded.message, figures = excluded.figures, last_seen_time = excluded.last_seen_time,
        state = case
          when excluded.state = 'violation' or audit_finding.first_seen_time <= ${suspectSinceAtMost}::timestamptz
            or (audit_finding.first_seen_time <= ${suspectSince}::timestamptz
              and audit_finding.first_seen_sequence <= ${handledSequence}::bigint)
          then 'violation' else audit_finding.state end`.execute(tx);
}

/** Violations of these checks that nobody has been told of yet; from now on they count as told. */
export async function takeUnannounced(
  tx: Transaction<OperationsTables>,
  { checks, rowsMax }: { checks: readonly string[]; rowsMax: number },
): Promise<Violation[]> {
  const taken = await sql<ViolationRow>`
    update audit_finding set is_announced = true
    where not is_announced and (check_name, tenant_id, key) in (
      select check_name, tenant_id, key from audit_finding
      where state = 'violation' and not is_announced and check_name = any(${[...checks]})
      order by first_seen_time limit ${rowsMax}
    )
    returning ${columns}`.execute(tx);
  return taken.rows.map(violationOf);
}

/** Removes what was not seen of the tenant since the time. Answers the violations among it that were told of. */
export async function clearUnseen(
  tx: Transaction<OperationsTables>,
  { tenant, checks, since, rowsMax }: { tenant: string; checks: readonly string[]; since: Date; rowsMax: number },
): Promise<Violation[]> {
  const cleared = await sql<ViolationRow & { isAnnounced: boolean }>`
    delete from audit_finding
    where last_seen_time < ${since}::timestamptz and (check_name, tenant_id, key) in (
      select check_name, tenant_id, key from audit_finding
      where check_name = any(${[...checks]}) and tenant_id = ${tenant} and last_seen_time < ${since}::timestamptz
      limit ${rowsMax}
    )
    returning ${columns}, is_announced as "isAnnounced"`.execute(tx);
  return cleared.rows.flatMap(({ isAnnounced, ...row }) => (isAnnounced ? [violationOf(row)] : []));
}

/** Removes suspects that a second look has not confirmed. */
export async function dropSuspects(
  tx: Transaction<OperationsTables>,
  { checks, keys, tenant, before }: { checks: readonly string[]; keys: readonly string[]; tenant: string; before: Date },
): Promise<void> {
  await sql`
    delete from audit_finding
    where state = 'suspect' and check_name = any(${[...checks]}) and tenant_id = ${tenant} and key = any(${[...keys]})
      and last_seen_time < ${before}::timestamptz`.execute(tx);
}

/** Keys that are under suspicion by these checks, longest first. */
export async function readSuspectKeys(
  db: Kysely<OperationsTables>,
  { checks, tenant, rowsMax }: { checks: readonly string[]; tenant: string; rowsMax: number },
): Promise<string[]> {
  const read = await sql<{ key: string }>`
    select key from audit_finding
    where state = 'suspect' and check_name = any(${[...checks]}) and tenant_id = ${tenant}
    group by key order by min(last_seen_time) limit ${rowsMax}`.execute(db);
  return read.rows.map(({ key }) => key);
}

/** The oldest; of the tenant, where one is given. */
export async function listViolations(
  db: Kysely<OperationsTables>,
  { tenant, rowsMax }: { tenant: string | undefined; rowsMax: number },
): Promise<Violation[]> {
  const read = await sql<ViolationRow>`
    select ${columns} from audit_finding
    where state = 'violation' and (${tenant ?? null}::text is null or tenant_id = ${tenant ?? null})
    order by first_seen_time, violation_id limit ${rowsMax}`.execute(db);
  return read.rows.map(violationOf);
}

export interface FindingCount {
  check: string;
  violations: number;
  suspects: number;
}

/** Of all tenants, or of one. */
export async function countFindings(db: Kysely<OperationsTables>, tenant?: string): Promise<FindingCount[]> {
  const read = await sql<FindingCount>`
    select check_name as "check", count(*) filter (where state = 'violation') as violations,
      count(*) filter (where state = 'suspect') as suspects
    from audit_finding where ${tenant ?? null}::text is null or tenant_id = ${tenant ?? null} group by check_name`.execute(db);
  return read.rows;
}
