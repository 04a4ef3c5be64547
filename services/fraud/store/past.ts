// Assessments of the past, to try other rules on.
import { sql, type Kysely } from "kysely";
import type { PastAssessment } from "../domain/dry-run.ts";
import { assessmentOfRow, columnList, type AssessmentRow } from "./assessments.ts";
import type { Tables } from "./tables.ts";

/** A place among orders in the order in which they were placed. */
export interface PastPlace {
  placeTime: Date;
  orderId: string;
}

/** Orders that were placed in the range, its end not included, from the one after the given place on. */
export async function pastAssessments(
  db: Kysely<Tables>,
  page: { tenant: string; startTime: Date; endTime: Date; after: PastPlace | undefined; rowsMax: number },
): Promise<PastAssessment[]> {
  const { tenant, startTime, endTime, after, rowsMax } = page;
  const isAfter = after ? sql`(place_time, order_id) > (${after.placeTime}::timestamptz, ${after.orderId})` : sql`true`;
  const { rows } = await sql<AssessmentRow & { isErased: boolean }>`
    select ${columnList}, erase_time is not null as "isErased" from assessment
    where tenant_id = ${tenant} and place_time >= ${startTime} and place_time < ${endTime} and ${isAfter}
    order by place_time, order_id limit ${rowsMax}`.execute(db);
  return rows.map(({ isErased, ...row }) => ({ assessment: assessmentOfRow(row), isErased }));
}
