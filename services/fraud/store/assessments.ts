// The SQL of assessments.
import { sql, type Kysely, type RawBuilder, type Selectable, type Transaction } from "kysely";
import type { Assessment, AssessmentState } from "../domain/assessment.ts";
import type { OrderFacts } from "../domain/order.ts";
import { keyOf, type OrderKey, type OtherFacts, type Tables } from "./tables.ts";

export interface StoredAssessment extends Assessment {
  /** Id of the OrderCreated that it answers. */
  orderEventId: string;
}

const columns = [
  "tenant_id",
  "order_id",
  "order_event_id",
  "customer_id",
  "state",
  "score",
  "matches",
  "currency_code",
  "total_minor_units",
  "place_time",
  "create_time",
  "decider",
  "decided_by",
  "decision_note",
  "decide_time",
  "event_count",
  "rule_set_version",
  "review_score_min",
  "reject_score_min",
  "card_bin",
  "device_fingerprint",
  "email",
  "address_hash",
  "facts",
  "observed",
  "review_deadline",
  "claimed_by",
  "claim_expire_time",
] as const satisfies (keyof Tables["assessment"])[];
export const columnList = sql.join(columns.map((column) => sql.ref(`assessment.${column}`)));

export type AssessmentRow = Pick<Selectable<Tables["assessment"]>, (typeof columns)[number]>;

export const assessmentOfRow = (row: AssessmentRow): StoredAssessment => ({
  tenant: row.tenant_id,
  orderId: row.order_id,
  orderEventId: row.order_event_id,
  customerId: row.customer_id,
  state: row.state,
  score: row.score,
  // Those from before rules had modes and effects counted and added.
  matches: row.matches.map(({ mode = "ACTIVE", effect = "ADD", ...match }) => ({ ...match, mode, effect })),
  ruleSetVersion: row.rule_set_version,
  thresholds: { reviewScoreMin: row.review_score_min, rejectScoreMin: row.reject_score_min },
  facts: factsOfRow(row),
  observed: row.observed,
  reviewDeadline: row.review_deadline,
  claimedBy: row.claimed_by,
  claimExpireTime: row.claim_expire_time,
  total: { currencyCode: row.currency_code, minorUnits: row.total_minor_units },
  placeTime: row.place_time,
  createTime: row.create_time,
  decider: row.decider,
  decidedBy: row.decided_by,
  decisionNote: row.decision_note,
  decideTime: row.decide_time,
  eventCount: row.event_count,
});

function factsOfRow({ card_bin, device_fingerprint, email, address_hash, facts }: AssessmentRow): OrderFacts | null {
  if (!facts) return null;
  return { cardBin: card_bin, deviceFingerprint: device_fingerprint, email, addressHash: address_hash, ...facts };
}

/** The facts that have no column of their own. */
function otherFacts({ countryCode, postalCode, units, lines }: OrderFacts): OtherFacts {
  return { countryCode, postalCode, units, lines };
}

export async function findAssessment(db: Kysely<Tables>, { tenant, orderId }: OrderKey): Promise<Assessment | undefined> {
  const row = await db
    .selectFrom("assessment")
    .select(columns)
    .where("tenant_id", "=", tenant)
    .where("order_id", "=", orderId)
    .executeTakeFirst();
  return row && assessmentOfRow(row);
}

/** Newest orders first, from the one after the given order on. */
export async function listAssessments(
  db: Kysely<Tables>,
  page: { tenant: string; state: AssessmentState | undefined; afterOrderId: string | undefined; rowsMax: number },
): Promise<Assessment[]> {
  const { tenant, state, afterOrderId, rowsMax } = page;
  let query = db.selectFrom("assessment").select(columns).where("tenant_id", "=", tenant);
  if (state !== undefined) query = query.where("state", "=", state);
  if (afterOrderId !== undefined) query = query.where("order_id", "<", afterOrderId);
  const rows = await query.orderBy("order_id", "desc").limit(rowsMax).execute();
  return rows.map(assessmentOfRow);
}

function keysTable(keys: readonly OrderKey[]): RawBuilder<unknown> {
  return sql`unnest(${keys.map(({ tenant }) => tenant)}::text[], ${keys.map(({ orderId }) => orderId)}::text[])`;
}

/** The assessments that exist, by keyOf, locked until the transaction ends; everybody locks in the order of the keys. */
export async function lockAssessments(
  tx: Transaction<Tables>,
  keys: readonly OrderKey[],
): Promise<Map<string, StoredAssessment>> {
  const { rows } = await sql<AssessmentRow>`
    select ${columnList} from assessment
    where (tenant_id, order_id) in (select * from ${keysTable(keys)})
    order by tenant_id, order_id
    for update`.execute(tx);
  return new Map(rows.map(assessmentOfRow).map((assessment) => [keyOf(assessment), assessment]));
}

export async function insertAssessments(tx: Transaction<Tables>, assessments: readonly StoredAssessment[]): Promise<void> {
  const column = <Value>(pick: (assessment: StoredAssessment) => Value): Value[] => assessments.map(pick);
  await sql`
    insert into assessment (${sql.join(columns.map((name) => sql.ref(name)))})
    select * from unnest(
      ${column((assessment) => assessment.tenant)}::text[],
      ${column((assessment) => assessment.orderId)}::text[],
      ${column((assessment) => assessment.orderEventId)}::text[],
      ${column((assessment) => assessment.customerId)}::text[],
      ${column((assessment) => assessment.state)}::text[],
      ${column((assessment) => assessment.score)}::integer[],
      ${column((assessment) => JSON.stringify(assessment.matches))}::jsonb[],
      ${column((assessment) => assessment.total.currencyCode)}::text[],
      ${column((assessment) => assessment.total.minorUnits)}::bigint[],
      ${column((assessment) => assessment.placeTime)}::timestamptz[],
      ${column((assessment) => assessment.createTime)}::timestamptz[],
      ${column((assessment) => assessment.decider)}::text[],
      ${column((assessment) => assessment.decidedBy)}::text[],
      ${column((assessment) => assessment.decisionNote)}::text[],
      ${column((assessment) => assessment.decideTime)}::timestamptz[],
      ${column((assessment) => assessment.eventCount)}::bigint[],
      ${column((assessment) => assessment.ruleSetVersion)}::integer[],
      ${column((assessment) => assessment.thresholds.reviewScoreMin)}::integer[],
      ${column((assessment) => assessment.thresholds.rejectScoreMin)}::integer[],
      ${column(({ facts }) => facts?.cardBin ?? "")}::text[],
      ${column(({ facts }) => facts?.deviceFingerprint ?? "")}::text[],
      ${column(({ facts }) => facts?.email ?? "")}::text[],
      ${column(({ facts }) => facts?.addressHash ?? "")}::text[],
      ${column(({ facts }) => facts && JSON.stringify(otherFacts(facts)))}::jsonb[],
      ${column(({ observed }) => observed && JSON.stringify(observed))}::jsonb[],
      ${column((assessment) => assessment.reviewDeadline)}::timestamptz[],
      ${column((assessment) => assessment.claimedBy)}::text[],
      ${column((assessment) => assessment.claimExpireTime)}::timestamptz[]
    )`.execute(tx);
}

/** Writes what became of reviews. Throws where one of them is no longer in review: the caller has locked them. */
export async function saveDecisions(tx: Transaction<Tables>, assessments: readonly Assessment[]): Promise<void> {
  if (assessments.length === 0) return;
  const { rows } = await sql`
    update assessment
    set state = decided.state, decider = decided.decider, decided_by = decided.decided_by,
        decision_note = decided.decision_note, decide_time = decided.decide_time, event_count = decided.event_count,
        claimed_by = '', claim_expire_time = null
    from unnest(
      ${assessments.map(({ tenant }) => tenant)}::text[],
      ${assessments.map(({ orderId }) => orderId)}::text[],
      ${assessments.map(({ state }) => state)}::text[],
      ${assessments.map(({ decider }) => decider)}::text[],
      ${assessments.map(({ decidedBy }) => decidedBy)}::text[],
      ${assessments.map(({ decisionNote }) => decisionNote)}::text[],
      ${assessments.map(({ decideTime }) => decideTime)}::timestamptz[],
      ${assessments.map(({ eventCount }) => eventCount)}::bigint[]
    ) as decided (tenant_id, order_id, state, decider, decided_by, decision_note, decide_time, event_count)
    where assessment.tenant_id = decided.tenant_id and assessment.order_id = decided.order_id and assessment.state = 'REVIEW'
    returning assessment.order_id`.execute(tx);
  if (rows.length !== assessments.length) throw new Error("a review was decided by somebody else while it was locked");
}

/** Remembers orders that ended before they were assessed, so that they never are. */
export async function rememberCancelled(
  tx: Transaction<Tables>,
  orders: readonly (OrderKey & { cancelTime: Date })[],
): Promise<void> {
  if (orders.length === 0) return;
  await sql`
    insert into cancelled_order (tenant_id, order_id, cancel_time)
    select * from unnest(
      ${orders.map(({ tenant }) => tenant)}::text[],
      ${orders.map(({ orderId }) => orderId)}::text[],
      ${orders.map(({ cancelTime }) => cancelTime)}::timestamptz[]
    )
    on conflict (tenant_id, order_id) do nothing`.execute(tx);
}

/** Of these orders, those that ended before they were assessed; by keyOf. */
export async function findCancelled(db: Kysely<Tables>, keys: readonly OrderKey[]): Promise<Set<string>> {
  const { rows } = await sql<OrderKey>`
    select tenant_id as tenant, order_id as "orderId" from cancelled_order
    where (tenant_id, order_id) in (select * from ${keysTable(keys)})`.execute(db);
  return new Set(rows.map(keyOf));
}
