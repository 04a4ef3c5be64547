// Rows of addresses, and the requests that made them. The customer is locked by whoever writes.
import { sql, type Kysely, type Transaction } from "kysely";
import type { CustomerKey, CustomersTables } from "./tables.ts";

/** The fields of ordermesh.type.v1.Address. */
export interface AddressContent {
  recipient: string;
  lines: string[];
  city: string;
  postalCode: string;
  region: string;
  countryCode: string;
}

/** What a customer says of an address. */
export interface AddressValues {
  label: string;
  address: AddressContent;
  defaultShipping: boolean;
  defaultBilling: boolean;
}

export interface Address extends AddressValues {
  addressId: string;
  customerId: string;
  version: number;
  createTime: Date;
  updateTime: Date;
}

const addressColumns = sql`
  address_id as "addressId", customer_id as "customerId", label, content as address, default_shipping as "defaultShipping",
  default_billing as "defaultBilling", version, create_time as "createTime", update_time as "updateTime"`;

type AddressKey = CustomerKey & { addressId: string };

/** Oldest first. */
export async function readAddresses(db: Kysely<CustomersTables>, { tenant, customerId }: CustomerKey): Promise<Address[]> {
  const read = await sql<Address>`
    select ${addressColumns} from address
    where tenant_id = ${tenant} and customer_id = ${customerId}
    order by address_id`.execute(db);
  return read.rows;
}

export async function readAddress(
  db: Kysely<CustomersTables>,
  { tenant, customerId, addressId }: AddressKey,
): Promise<Address | undefined> {
  const read = await sql<Address>`
    select ${addressColumns} from address
    where tenant_id = ${tenant} and customer_id = ${customerId} and address_id = ${addressId}`.execute(db);
  return read.rows[0];
}

/** Another address that is a default where this one is to be it is none any more. */
async function unsetDefaults(tx: Transaction<CustomersTables>, key: AddressKey, values: AddressValues, now: Date): Promise<void> {
  await sql`
    update address set default_shipping = default_shipping and not ${values.defaultShipping}::boolean,
      default_billing = default_billing and not ${values.defaultBilling}::boolean, version = version + 1, update_time = ${now}
    where tenant_id = ${key.tenant} and customer_id = ${key.customerId} and address_id <> ${key.addressId}
      and ((default_shipping and ${values.defaultShipping}::boolean) or (default_billing and ${values.defaultBilling}::boolean))`.execute(
    tx,
  );
}

export async function insertAddress(
  tx: Transaction<CustomersTables>,
  key: AddressKey,
  { values, now }: { values: AddressValues; now: Date },
): Promise<void> {
  await unsetDefaults(tx, key, values, now);
  await sql`
    insert into address (tenant_id, customer_id, address_id, label, content, default_shipping, default_billing, create_time,
      update_time)
    values (${key.tenant}, ${key.customerId}, ${key.addressId}, ${values.label}, ${JSON.stringify(values.address)}::json,
      ${values.defaultShipping}, ${values.defaultBilling}, ${now}, ${now})`.execute(tx);
}

export async function saveAddress(
  tx: Transaction<CustomersTables>,
  key: AddressKey,
  { values, now }: { values: AddressValues; now: Date },
): Promise<void> {
  await unsetDefaults(tx, key, values, now);
  await sql`
    update address set label = ${values.label}, content = ${JSON.stringify(values.address)}::json,
      default_shipping = ${values.defaultShipping}, default_billing = ${values.defaultBilling}, version = version + 1,
      update_time = ${now}
    where tenant_id = ${key.tenant} and customer_id = ${key.customerId} and address_id = ${key.addressId}`.execute(tx);
}

export async function deleteAddress(tx: Transaction<CustomersTables>, key: AddressKey): Promise<void> {
  await sql`
    delete from address
    where tenant_id = ${key.tenant} and customer_id = ${key.customerId} and address_id = ${key.addressId}`.execute(tx);
}

export type Claim = { kind: "mine" } | { kind: "repeat"; addressId: string } | { kind: "other_content" };

/** Claims a request id for an address that is about to be made. */
export async function claimRequest(
  tx: Transaction<CustomersTables>,
  { tenant, customerId, addressId }: AddressKey,
  { requestId, contentHash }: { requestId: string; contentHash: Buffer },
): Promise<Claim> {
  const read = await sql<{ contentHash: Buffer; addressId: string }>`
    select content_hash as "contentHash", address_id as "addressId" from address_request
    where tenant_id = ${tenant} and customer_id = ${customerId} and request_id = ${requestId}`.execute(tx);
  const [first] = read.rows;
  if (first) {
    return first.contentHash.equals(contentHash) ? { kind: "repeat", addressId: first.addressId } : { kind: "other_content" };
  }
  await sql`
    insert into address_request (tenant_id, customer_id, request_id, content_hash, address_id)
    values (${tenant}, ${customerId}, ${requestId}, ${contentHash}, ${addressId})`.execute(tx);
  return { kind: "mine" };
}
