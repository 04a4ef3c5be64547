// Counts orders that belong together, and sums up their totals.
import { sql, type Kysely, type RawBuilder, type Transaction } from "kysely";
import type { VelocityBy } from "../domain/order.ts";
import type { VelocityQuestion } from "../domain/velocity.ts";
import type { Tables } from "./tables.ts";

/** A question, and what the order has that others may have, too. */
export interface Asked extends VelocityQuestion {
  value: string;
}

/**
 * Lets only one transaction at a time count and add orders that have one of these values: partitions are worked on side by side,
 * and each would see none of the other's.
 */
export async function lockValues(tx: Transaction<Tables>, asked: readonly Asked[]): Promise<void> {
  const names = asked.map(({ by, order, value }) => `fraud.${by.toLowerCase()}:${order.tenant}:${value}`);
  await sql`
    select pg_advisory_xact_lock(lock) from (
      select distinct hashtextextended(name, 0) as lock from unnest(${[...new Set(names)]}::text[]) as wanted (name) order by lock
    ) as locks`.execute(tx);
}

/** Partitions are read at their own speeds, so an order placed a little later may have been assessed before. Seconds. */
export const overtakenSecondsMax = 60;

const columns: Record<VelocityBy, string> = {
  CUSTOMER: "customer_id",
  BIN: "card_bin",
  DEVICE: "device_fingerprint",
  ADDRESS: "address_hash",
  EMAIL: "email",
};

/**
 * One answer for each question: assessed orders with the value that were placed inside the window, at most ordersMax of them, or
 * the sum of their totals in minor units. Those that were placed a little later count too, as far as overtakenSeconds says; where
 * that is 0, of two that were placed at one moment the second counts the first. The order of the question itself never counts. A
 * statement for each kind of value reads its index only.
 */
export async function answerVelocity(
  db: Kysely<Tables>,
  asked: readonly Asked[],
  { overtakenSeconds }: { overtakenSeconds: number },
): Promise<number[]> {
  const answers: number[] = asked.map(() => 0);
  const byColumn = Map.groupBy(asked.entries(), ([, { by }]) => by);
  await Promise.all(
    [...byColumn].map(async ([by, own]) => {
      const questions = own.map(([, question]) => question);
      const measures = await measure(db, { column: sql.ref(columns[by]), questions, overtakenSeconds });
      for (const [place, [index]] of own.entries()) answers[index] = measures[place] ?? 0;
    }),
  );
  return answers;
}

async function measure(
  db: Kysely<Tables>,
  { column, questions, overtakenSeconds }: { column: RawBuilder<unknown>; questions: readonly Asked[]; overtakenSeconds: number },
): Promise<number[]> {
  const inOrder = overtakenSeconds > 0 ? sql`true` : sql`(place_time, order_id) < (question.time, question.order_id)`;
  // That the column is not empty is said for the sake of the indexes, which leave out what names nothing.
  const { rows } = await sql<{ measure: number }>`
    select measured.measure from unnest(
      ${questions.map(({ order }) => order.tenant)}::text[],
      ${questions.map(({ order }) => order.orderId)}::text[],
      ${questions.map(({ value }) => value)}::text[],
      ${questions.map(({ order }) => order.placeTime)}::timestamptz[],
      ${questions.map(({ windowSeconds }) => windowSeconds)}::integer[],
      ${questions.map(({ ordersMax }) => ordersMax)}::integer[],
      ${questions.map(({ currencyCode }) => currencyCode ?? null)}::text[]
    ) with ordinality as question (tenant, order_id, value, time, seconds, orders_max, currency, position)
    cross join lateral (
      select case when question.currency is null then count(*) else coalesce(sum(total), 0) end::bigint as measure from (
        select total_minor_units as total from assessment
        where tenant_id = question.tenant and ${column} = question.value and ${column} <> ''
          and place_time > question.time - make_interval(secs => question.seconds)
          and place_time <= question.time + make_interval(secs => least(question.seconds, ${overtakenSeconds}))
          and order_id <> question.order_id and ${inOrder} and (question.currency is null or currency_code = question.currency)
        order by place_time desc
        limit question.orders_max
      ) as found
    ) as measured
    order by question.position`.execute(db);
  return rows.map((row) => row.measure);
}
