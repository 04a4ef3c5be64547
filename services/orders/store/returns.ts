// Returns of orders. Whoever writes one has locked its order.
import { sql, type Kysely, type Transaction } from "kysely";
import type { WantedItem } from "../domain/place.ts";
import type { ExchangeState, ReturnLine, ReturnState } from "../domain/returns.ts";
import type { OrderKey } from "./progress.ts";
import type { OrdersTables } from "./tables.ts";

export interface ReturnRow extends OrderKey {
  returnId: string;
  customerId: string;
  currencyCode: string;
  state: ReturnState;
  lines: ReturnLine[];
  words: string;
  decisionWords: string;
  /** Minor units; null before it is received. */
  refund: number | null;
  isShippingRefunded: boolean;
  requestId: string;
  /** Null once its customer is erased. */
  requestHash: Buffer | null;
  createTime: Date;
  updateTime: Date;
  /** What is wanted instead; null where nothing is. */
  exchange: ExchangeRow | null;
}

export interface ExchangeRow {
  items: WantedItem[];
  state: ExchangeState;
  orderId: string;
  reason: string;
}

const whole = sql`
  select back.tenant_id as tenant, back.order_id as "orderId", back.return_id as "returnId", orders.customer_id as "customerId",
    orders.currency_code as "currencyCode", back.state, back.lines, back.words, back.decision_words as "decisionWords", back.refund,
    back.is_shipping_refunded as "isShippingRefunded", back.request_id as "requestId", back.request_hash as "requestHash",
    back.create_time as "createTime", back.update_time as "updateTime", back.exchange
  from order_return back join orders using (tenant_id, order_id)`;

/** All returns of orders, oldest first. */
export async function readReturns(db: Kysely<OrdersTables>, tenant: string, orderIds: readonly string[]): Promise<ReturnRow[]> {
  if (orderIds.length === 0) return [];
  const read = await sql<ReturnRow>`
    ${whole} where back.tenant_id = ${tenant} and back.order_id = any(${[...orderIds]}::text[]) order by back.return_id`.execute(
    db,
  );
  return read.rows;
}

/** A page of returns, newest first. */
export async function listReturns(
  db: Kysely<OrdersTables>,
  page: { tenant: string; state: ReturnState | undefined; before: string | undefined; rowsMax: number },
): Promise<ReturnRow[]> {
  const conditions = [
    sql`back.tenant_id = ${page.tenant}`,
    ...(page.state === undefined ? [] : [sql`back.state = ${page.state}`]),
    ...(page.before === undefined ? [] : [sql`back.return_id < ${page.before}`]),
  ];
  const read = await sql<ReturnRow>`
    ${whole} where ${sql.join(conditions, sql` and `)} order by back.return_id desc limit ${page.rowsMax}`.execute(db);
  return read.rows;
}

/** Of an order from which its customer was taken out, nobody's words are kept. */
const keptWords = ({ tenant, orderId }: OrderKey, words: string) => sql`(
  select case when erase_time is null then ${words}::text else '' end from orders
  where tenant_id = ${tenant} and order_id = ${orderId}
)`;

export async function insertReturn(tx: Transaction<OrdersTables>, row: ReturnRow, exchangeToken: string): Promise<void> {
  await sql`
    insert into order_return (tenant_id, order_id, return_id, state, lines, words, request_id, request_hash, create_time, update_time,
      exchange, exchange_token)
    values (${row.tenant}, ${row.orderId}, ${row.returnId}, ${row.state}, ${JSON.stringify(row.lines)}::jsonb,
      ${keptWords(row, row.words)}, ${row.requestId}, ${row.requestHash}, ${row.createTime}, ${row.updateTime},
      ${row.exchange && JSON.stringify(row.exchange)}::jsonb, ${keptWords(row, exchangeToken)})`.execute(tx);
}

export async function saveReturn(tx: Transaction<OrdersTables>, row: ReturnRow): Promise<void> {
  const { tenant, returnId } = row;
  await sql`
    update order_return
    set state = ${row.state}, lines = ${JSON.stringify(row.lines)}::jsonb, decision_words = ${keptWords(row, row.decisionWords)},
      refund = ${row.refund}, is_shipping_refunded = ${row.isShippingRefunded}, update_time = ${row.updateTime},
      exchange = ${row.exchange && JSON.stringify(row.exchange)}::jsonb,
      exchange_token = case when ${row.exchange?.state ?? ""} = 'waiting' then exchange_token else '' end
    where tenant_id = ${tenant} and return_id = ${returnId}`.execute(tx);
}

/** A return and by what its exchange is to be paid: empty where that was taken out. */
export async function readExchange(
  db: Kysely<OrdersTables>,
  { tenant, returnId }: { tenant: string; returnId: string },
): Promise<{ back: ReturnRow; token: string } | undefined> {
  const read = await sql<ReturnRow>`${whole} where back.tenant_id = ${tenant} and back.return_id = ${returnId}`.execute(db);
  const kept = await sql<{ token: string }>`
    select exchange_token as token from order_return where tenant_id = ${tenant} and return_id = ${returnId}`.execute(db);
  const [back] = read.rows;
  return back && { back, token: kept.rows[0]?.token ?? "" };
}

/** The order knows for which return it was placed. */
export async function linkExchange(
  tx: Transaction<OrdersTables>,
  { tenant, orderId, returnId }: OrderKey & { returnId: string },
): Promise<void> {
  await sql`
    update orders set exchange_of_return_id = ${returnId}, version = version + 1
    where tenant_id = ${tenant} and order_id = ${orderId}`.execute(tx);
}

/** Of erased orders: what people have written. */
export async function eraseReturns(tx: Transaction<OrdersTables>, orders: readonly OrderKey[]): Promise<void> {
  if (orders.length === 0) return;
  await sql`
    update order_return set words = '', decision_words = '', request_hash = null, exchange_token = ''
    where (tenant_id, order_id) in (
      select * from unnest(${orders.map(({ tenant }) => tenant)}::text[], ${orders.map(({ orderId }) => orderId)}::text[])
    )`.execute(tx);
}
