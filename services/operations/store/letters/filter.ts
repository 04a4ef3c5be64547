// Which letters: a condition over the row that the statement calls "letter".
import { sql, type RawBuilder } from "kysely";
import type { LetterState } from "../../domain/letters.ts";

/** Fields that are undefined select all. */
export interface LetterFilter {
  state?: LetterState | undefined;
  service?: string | undefined;
  consumer?: string | undefined;
  typeName?: string | undefined;
  code?: string | undefined;
  key?: string | undefined;
  eventId?: string | undefined;
  /** First failed at this time or later. */
  since?: Date | undefined;
  /** First failed before this time. */
  until?: Date | undefined;
}

export function filterCondition(filter: LetterFilter): RawBuilder<unknown> {
  const conditions: RawBuilder<unknown>[] = [];
  if (filter.state) conditions.push(sql`letter.state = ${filter.state}`);
  if (filter.service) conditions.push(sql`letter.service = ${filter.service}`);
  if (filter.consumer) conditions.push(sql`letter.consumer = ${filter.consumer}`);
  if (filter.typeName) conditions.push(sql`letter.type_name = ${filter.typeName}`);
  if (filter.code) conditions.push(sql`letter.code = ${filter.code}`);
  if (filter.key) conditions.push(sql`letter.key = ${filter.key}`);
  if (filter.eventId) conditions.push(sql`letter.event_id = ${filter.eventId} and letter.event_id <> ''`);
  if (filter.since) conditions.push(sql`letter.first_failure_time >= ${filter.since}`);
  if (filter.until) conditions.push(sql`letter.first_failure_time < ${filter.until}`);
  return conditions.length === 0 ? sql`true` : sql.join(conditions, sql` and `);
}
