// The SQL of reviews: the queue, who works on what, and notes.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Assessment } from "../domain/assessment.ts";
import { assessmentOfRow, columnList, type AssessmentRow } from "./assessments.ts";
import type { OrderKey, Tables } from "./tables.ts";

/** A place in the queue. */
export interface QueuePlace {
  deadline: Date;
  orderId: string;
}

/** Reviews by their deadline, from the one after the given place on; only those that nobody has at the given time, if any is given. */
export async function listReviews(
  db: Kysely<Tables>,
  page: { tenant: string; after: QueuePlace | undefined; unclaimedAt: Date | undefined; rowsMax: number },
): Promise<Assessment[]> {
  const { tenant, after, unclaimedAt, rowsMax } = page;
  const isAfter = after ? sql`(review_deadline, order_id) > (${after.deadline}::timestamptz, ${after.orderId})` : sql`true`;
  const isFree = unclaimedAt ? sql`(claim_expire_time is null or claim_expire_time <= ${unclaimedAt})` : sql`true`;
  const { rows } = await sql<AssessmentRow>`
    select ${columnList} from assessment
    where tenant_id = ${tenant} and state = 'REVIEW' and ${isAfter} and ${isFree}
    order by review_deadline, order_id limit ${rowsMax}`.execute(db);
  return rows.map(assessmentOfRow);
}

/** Writes who has a review. The caller has locked it. */
export async function saveClaim(tx: Transaction<Tables>, assessment: Assessment): Promise<void> {
  const { tenant, orderId, claimedBy, claimExpireTime } = assessment;
  await tx
    .updateTable("assessment")
    .set({ claimed_by: claimedBy, claim_expire_time: claimExpireTime })
    .where("tenant_id", "=", tenant)
    .where("order_id", "=", orderId)
    .execute();
}

export interface ReviewNote {
  author: string;
  text: string;
  createTime: Date;
}

/** What was written about an order, oldest first. */
export async function notesOf(db: Kysely<Tables>, { tenant, orderId }: OrderKey): Promise<ReviewNote[]> {
  const { rows } = await sql<ReviewNote>`
    select author, text, create_time as "createTime" from review_note
    where tenant_id = ${tenant} and order_id = ${orderId} order by note_number`.execute(db);
  return rows;
}

export async function insertNote(tx: Transaction<Tables>, { tenant, orderId }: OrderKey, note: ReviewNote): Promise<void> {
  const { author, text, createTime } = note;
  await tx
    .insertInto("review_note")
    .values({ tenant_id: tenant, order_id: orderId, author, text, create_time: createTime })
    .execute();
}

/** Whether the assessment is of an order of somebody erased, about which nothing is written any more. */
export async function isErased(db: Kysely<Tables>, { tenant, orderId }: OrderKey): Promise<boolean> {
  const { rows } = await sql`
    select from assessment where tenant_id = ${tenant} and order_id = ${orderId} and erase_time is not null`.execute(db);
  return rows.length > 0;
}
