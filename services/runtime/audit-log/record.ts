// Writes entries of the audit log, in the transaction of the change that they tell of.
import { sql, type Transaction } from "kysely";
import { givenTimeOf } from "../database/given-time.ts";
import { writeLate } from "../database/late-writes.ts";
import { changeEntry, entryHash, type AuditEntry, type Change } from "./entry.ts";
import { onlyChanged } from "./shown.ts";

/**
 * Writes down that the current call changes a resource. Of a resource that was there before only what differs is kept, and
 * nothing is written where nothing does: a repeat leaves no entry. Costs no way to the database of its own.
 */
export async function recordChange<Tables>(tx: Transaction<Tables>, { before, after, ...change }: Change): Promise<void> {
  const sides = before && after ? onlyChanged(before, after) : { ...(before && { before }), ...(after && { after }) };
  if (sides) await appendEntries(tx, [changeEntry({ ...change, ...sides })]);
}

/** Writes entries. One statement, whatever their number. */
export async function appendEntries<Tables>(tx: Transaction<Tables>, entries: readonly AuditEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const time = givenTimeOf(tx) ?? new Date();
  const column = <Value>(pick: (entry: AuditEntry) => Value): Value[] => entries.map(pick);
  const insert = sql`
    insert into audit_entry (tenant_id, subject, client_id, roles, method, resource_kind, resource_id, before, after, outcome,
      reason, peer, request_id, entry_time, hash)
    select tenant_id, subject, client_id, roles, method, resource_kind, resource_id, before::json, after::json, outcome,
      reason, peer, request_id, ${time}::timestamptz, hash
    from unnest(
      ${column((entry) => entry.tenant)}::text[],
      ${column((entry) => entry.subject)}::text[],
      ${column((entry) => entry.clientId)}::text[],
      ${column((entry) => entry.roles)}::text[],
      ${column((entry) => entry.method)}::text[],
      ${column((entry) => entry.resourceKind)}::text[],
      ${column((entry) => entry.resourceId)}::text[],
      ${column((entry) => entry.before)}::text[],
      ${column((entry) => entry.after)}::text[],
      ${column((entry) => entry.outcome)}::text[],
      ${column((entry) => entry.reason)}::text[],
      ${column((entry) => entry.peer)}::text[],
      ${column((entry) => entry.requestId)}::text[],
      ${column((entry) => entryHash(entry, time.getTime()))}::bytea[]
    ) as new (tenant_id, subject, client_id, roles, method, resource_kind, resource_id, before, after, outcome, reason, peer,
      request_id, hash)`;
  await writeLate(tx, insert);
}
