// Entries as they are listed.
import { sql, type Kysely } from "kysely";
import type { AuditEntry } from "./entry.ts";

export interface ListedEntry extends Omit<AuditEntry, "before" | "after"> {
  id: number;
  time: Date;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
}

export interface EntryQuery {
  tenant: string;
  /** Empty ones select all. */
  subject: string;
  method: string;
  resourceKind: string;
  resourceId: string;
  since: Date | undefined;
  until: Date | undefined;
  /** Only those before this place, going back in time. */
  before: { time: Date; id: string } | undefined;
  rowsMax: number;
}

/** Newest first. */
export async function readEntries<Tables>(db: Kysely<Tables>, query: EntryQuery): Promise<ListedEntry[]> {
  const { tenant, since, until, before, rowsMax } = query;
  const equals = ([column, value]: [column: string, value: string]) => (value === "" ? [] : [sql`${sql.ref(column)} = ${value}`]);
  const named: [string, string][] = [
    ["subject", query.subject],
    ["method", query.method],
    ["resource_kind", query.resourceKind],
    ["resource_id", query.resourceId],
  ];
  const conditions = [
    sql`tenant_id = ${tenant}`,
    ...named.flatMap(equals),
    ...(since ? [sql`entry_time >= ${since}`] : []),
    ...(until ? [sql`entry_time < ${until}`] : []),
    ...(before ? [sql`(entry_time, id) < (${before.time}, ${before.id}::bigint)`] : []),
  ];
  const read = await sql<ListedEntry>`
    select id, entry_time as time, tenant_id as tenant, subject, client_id as "clientId", roles, method,
      resource_kind as "resourceKind", resource_id as "resourceId", before, after, outcome, reason, peer,
      request_id as "requestId"
    from audit_entry
    where ${sql.join(conditions, sql` and `)}
    order by entry_time desc, id desc
    limit ${rowsMax}`.execute(db);
  return read.rows;
}
