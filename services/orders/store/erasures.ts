// Takes erased customers out of their orders. What is sold, for how much and how it went stays.
import { sql, type Kysely, type Transaction } from "kysely";
import type { OrderState } from "../domain/order.ts";
import type { OrdersTables } from "./tables.ts";

export interface CustomerKey {
  tenant: string;
  customerId: string;
}

export interface ErasedOrder extends CustomerKey {
  orderId: string;
  /** Number of its last event. */
  eventsSent: number;
}

/** Kind of the due work that takes a customer out of its orders. */
export const eraseKind = "orders.erase_customer";

const tenantsOf = (customers: readonly CustomerKey[]): string[] => customers.map(({ tenant }) => tenant);
const customerIdsOf = (customers: readonly CustomerKey[]): string[] => customers.map(({ customerId }) => customerId);

/** Those who are not remembered as erased. */
export async function withoutErased<Customer extends CustomerKey>(
  tx: Transaction<OrdersTables>,
  customers: readonly Customer[],
): Promise<Customer[]> {
  const erased = new Set((await readErased(tx, customers)).map(customerKeyOf));
  return customers.filter((customer) => !erased.has(customerKeyOf(customer)));
}

async function readErased(tx: Transaction<OrdersTables>, customers: readonly CustomerKey[]): Promise<CustomerKey[]> {
  const read = await sql<CustomerKey>`
    select tenant_id as tenant, customer_id as "customerId" from erased_customer
    where (tenant_id, customer_id) in (
      select * from unnest(${tenantsOf(customers)}::text[], ${customerIdsOf(customers)}::text[])
    )`.execute(tx);
  return read.rows;
}

/**
 * Remembers customers as erased. From the commit on whoever makes an order of theirs final sees
 * it (findErased); whoever has made one final before has committed by then, because both hold a lock for the customer.
 */
export async function rememberErased(tx: Transaction<OrdersTables>, customers: readonly CustomerKey[], now: Date): Promise<void> {
  await sql`select pg_advisory_xact_lock(lock) from (${locksOf(customers)}) as locks`.execute(tx);
  await sql`
    insert into erased_customer (tenant_id, customer_id, erase_time)
    select tenant_id, customer_id, ${now}::timestamptz
    from unnest(${tenantsOf(customers)}::text[], ${customerIdsOf(customers)}::text[]) as gone (tenant_id, customer_id)
    order by tenant_id, customer_id
    on conflict do nothing`.execute(tx);
}

/** Of customers whose orders this transaction makes final, those who are erased. Both statements travel together. */
export async function findErased(tx: Transaction<OrdersTables>, customers: readonly CustomerKey[]): Promise<Set<string>> {
  if (customers.length === 0) return new Set();
  const locking = sql`select pg_advisory_xact_lock_shared(lock) from (${locksOf(customers)}) as locks`.execute(tx);
  // A statement of its own sees what was committed while the lock was waited for.
  const reading = readErased(tx, customers);
  const [, found] = await Promise.all([locking, reading]);
  return new Set(found.map(customerKeyOf));
}

export const customerKeyOf = ({ tenant, customerId }: CustomerKey): string => `${tenant}.${customerId}`;

/** In one order, so that two who lock many do not wait for each other. */
const locksOf = (customers: readonly CustomerKey[]) => sql`
  select distinct hashtextextended('orders.customer:' || tenant || ':' || customer, 0) as lock
  from unnest(${tenantsOf(customers)}::text[], ${customerIdsOf(customers)}::text[]) as wanted (tenant, customer)
  order by lock`;

/** Of a customer's final orders, the given number at most. */
export async function eraseOrdersOf(
  tx: Transaction<OrdersTables>,
  { tenant, customerId }: CustomerKey,
  { rowsMax, now }: { rowsMax: number; now: Date },
): Promise<ErasedOrder[]> {
  const erased = await sql<ErasedOrder>`
    ${erasing(now)}
    where (tenant_id, order_id) in (
      select tenant_id, order_id from orders
      where tenant_id = ${tenant} and customer_id = ${customerId} and state in ('delivered', 'returned', 'cancelled') and erase_time is null
      order by order_id
      limit ${rowsMax}
      for update
    )
    ${erasedColumns}`.execute(tx);
  return erased.rows;
}

/** These orders, which the transaction has made final. */
export async function eraseOrders(
  tx: Transaction<OrdersTables>,
  orders: readonly { tenant: string; orderId: string }[],
  now: Date,
): Promise<ErasedOrder[]> {
  const erased = await sql<ErasedOrder>`
    ${erasing(now)}
    where erase_time is null and (tenant_id, order_id) in (
      select * from unnest(${orders.map(({ tenant }) => tenant)}::text[], ${orders.map(({ orderId }) => orderId)}::text[])
    )
    ${erasedColumns}`.execute(tx);
  return erased.rows;
}

const erasing = (now: Date) => sql`
  update orders set shipping_address = null, payment_token = '', cancel_detail = '', note = '', request_hash = null, erase_time = ${now},
    events_sent = events_sent + 1, version = version + 1, update_time = ${now}`;

const erasedColumns = sql`
  returning tenant_id as tenant, customer_id as "customerId", order_id as "orderId", events_sent as "eventsSent"`;

/** Orders of an erased customer that still name it. */
export async function readUnerased(
  db: Kysely<OrdersTables>,
  { tenant, customerId }: CustomerKey,
  rowsMax: number,
): Promise<{ orderId: string; state: OrderState }[]> {
  const read = await sql<{ orderId: string; state: OrderState }>`
    select order_id as "orderId", state from orders
    where tenant_id = ${tenant} and customer_id = ${customerId} and erase_time is null
    order by order_id
    limit ${rowsMax}`.execute(db);
  return read.rows;
}
