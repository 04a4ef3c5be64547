// Rows of customers: read, locked, changed, erased.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Profile } from "../domain/profile.ts";
import type { Wait } from "../domain/erasure.ts";
import type { CustomerKey, CustomersTables } from "./tables.ts";

export interface Customer extends CustomerKey, Profile {
  /** Empty where there is none. */
  thumbnailImage: string;
  version: number;
  consents: number;
  eventsSent: number;
  createTime: Date;
  updateTime: Date;
  eraseTime: Date | null;
  eraseReason: string | null;
  eraseCheckTime: Date | null;
  eraseDoneTime: Date | null;
  eraseWaitsFor: Wait[];
}

const customerColumns = sql`
  tenant_id as tenant, customer_id as "customerId", display_name as "displayName", given_name as "givenName",
  family_name as "familyName", email, phone, locale, thumbnail_image as "thumbnailImage", version, consents, events_sent as "eventsSent",
  create_time as "createTime", update_time as "updateTime", erase_time as "eraseTime", erase_reason as "eraseReason",
  erase_check_time as "eraseCheckTime", erase_done_time as "eraseDoneTime", erase_waits_for as "eraseWaitsFor"`;

export async function readCustomer(
  db: Kysely<CustomersTables>,
  { tenant, customerId }: CustomerKey,
): Promise<Customer | undefined> {
  const read = await sql<Customer>`
    select ${customerColumns} from customer where tenant_id = ${tenant} and customer_id = ${customerId}`.execute(db);
  return read.rows[0];
}

/** By id; those after the given one, or from the first. */
export async function readCustomers(
  db: Kysely<CustomersTables>,
  page: { tenant: string; email: string; after: string | undefined; rowsMax: number },
): Promise<Customer[]> {
  const { tenant, email, after, rowsMax } = page;
  const read = await sql<Customer>`
    select ${customerColumns} from customer
    where tenant_id = ${tenant} and customer_id > ${after ?? ""}
      ${email === "" ? sql`` : sql`and email = ${email} and email <> ''`}
    order by customer_id
    limit ${rowsMax}`.execute(db);
  return read.rows;
}

/** The customer, whom nobody else changes until the transaction ends. */
export async function lockKnown(
  tx: Transaction<CustomersTables>,
  { tenant, customerId }: CustomerKey,
): Promise<Customer | undefined> {
  const read = await sql<Customer>`
    select ${customerColumns} from customer
    where tenant_id = ${tenant} and customer_id = ${customerId}
    for update`.execute(tx);
  return read.rows[0];
}

/** The same; one that was not known is from now on. Answers whether it was. */
export async function lockCustomer(
  tx: Transaction<CustomersTables>,
  key: CustomerKey,
  now: Date,
): Promise<{ customer: Customer; isNew: boolean }> {
  const made = await insertCustomers(tx, [{ ...key, time: now }]);
  const customer = await lockKnown(tx, key);
  if (!customer) throw new Error(`customer ${key.customerId} has gone`);
  return { customer, isNew: made > 0n };
}

/** Answers how many were not known. In the order of their keys, so that two who make the same do not wait for each other. */
export async function insertCustomers(
  tx: Transaction<CustomersTables>,
  customers: readonly (CustomerKey & { time: Date })[],
): Promise<bigint> {
  const inserted = await sql`
    insert into customer (tenant_id, customer_id, create_time, update_time)
    select tenant_id, customer_id, time, time from unnest(
      ${customers.map(({ tenant }) => tenant)}::text[],
      ${customers.map(({ customerId }) => customerId)}::text[],
      ${customers.map(({ time }) => time)}::timestamptz[]
    ) as new (tenant_id, customer_id, time)
    order by tenant_id, customer_id
    on conflict do nothing`.execute(tx);
  return inserted.numAffectedRows ?? 0n;
}

/** Of a customer that is locked. */
export async function saveProfile(
  tx: Transaction<CustomersTables>,
  { tenant, customerId }: CustomerKey,
  { profile, now }: { profile: Profile; now: Date },
): Promise<void> {
  await sql`
    update customer set display_name = ${profile.displayName}, given_name = ${profile.givenName},
      family_name = ${profile.familyName}, email = ${profile.email}, phone = ${profile.phone}, locale = ${profile.locale},
      version = version + 1, update_time = ${now}
    where tenant_id = ${tenant} and customer_id = ${customerId}`.execute(tx);
}

/** Of customers that are known and not erased; each once. */
export async function saveThumbnails(
  tx: Transaction<CustomersTables>,
  images: readonly (CustomerKey & { path: string; time: Date })[],
): Promise<void> {
  await sql`
    update customer set thumbnail_image = path, version = version + 1, update_time = greatest(update_time, time)
    from unnest(
      ${images.map(({ tenant }) => tenant)}::text[],
      ${images.map(({ customerId }) => customerId)}::text[],
      ${images.map(({ path }) => path)}::text[],
      ${images.map(({ time }) => time)}::timestamptz[]
    ) as new (tenant_id, customer_id, path, time)
    where customer.tenant_id = new.tenant_id and customer.customer_id = new.customer_id
      and erase_time is null and thumbnail_image <> path`.execute(tx);
}

/** Leaves of a customer that is locked its id, and when and why it was erased. */
export async function eraseCustomer(
  tx: Transaction<CustomersTables>,
  { tenant, customerId }: CustomerKey,
  { reason, now }: { reason: string; now: Date },
): Promise<void> {
  await sql`
    update customer set display_name = '', given_name = '', family_name = '', email = '', phone = '', locale = '',
      thumbnail_image = '', version = version + 1, events_sent = events_sent + 1, update_time = ${now}, erase_time = ${now}, erase_reason = ${reason}
    where tenant_id = ${tenant} and customer_id = ${customerId}`.execute(tx);
  for (const table of ["consent", "address_request", "address"]) {
    await sql`delete from ${sql.ref(table)} where tenant_id = ${tenant} and customer_id = ${customerId}`.execute(tx);
  }
}

/** What services were found to keep; with nothing the erasure is done. */
export async function saveErasureCheck(
  tx: Transaction<CustomersTables>,
  { tenant, customerId }: CustomerKey,
  { waits, now }: { waits: readonly Wait[]; now: Date },
): Promise<void> {
  await sql`
    update customer set erase_check_time = ${now}, erase_waits_for = ${JSON.stringify(waits)}::jsonb,
      erase_done_time = ${waits.length === 0 ? now : null}::timestamptz
    where tenant_id = ${tenant} and customer_id = ${customerId} and erase_time is not null and erase_done_time is null`.execute(
    tx,
  );
}
