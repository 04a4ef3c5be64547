// Records of consents: only added to. The customer is locked by whoever writes.
import { sql, type Kysely, type Transaction } from "kysely";
import type { CustomerKey, CustomersTables } from "./tables.ts";

export interface Consent {
  customerId: string;
  /** Position among the records of the customer, from 1. */
  sequence: number;
  consentId: string;
  purpose: string;
  granted: boolean;
  textVersion: string;
  changeTime: Date;
  changedBy: string;
  clientId: string;
  peer: string;
}

const consentColumns = sql`
  customer_id as "customerId", sequence, consent_id as "consentId", purpose, granted, text_version as "textVersion",
  change_time as "changeTime", changed_by as "changedBy", client_id as "clientId", peer`;

/** What holds of a purpose; undefined where nothing was ever said. */
export async function readNewest(
  db: Kysely<CustomersTables>,
  { tenant, customerId }: CustomerKey,
  purpose: string,
): Promise<Consent | undefined> {
  const read = await sql<Consent>`
    select ${consentColumns} from consent
    where tenant_id = ${tenant} and customer_id = ${customerId} and purpose = ${purpose}
    order by sequence desc
    limit 1`.execute(db);
  return read.rows[0];
}

/** The record, and what counts the customer's records and events. */
export async function insertConsent(tx: Transaction<CustomersTables>, tenant: string, consent: Consent): Promise<void> {
  const { customerId, sequence, consentId, purpose, granted, textVersion, changeTime, changedBy, clientId, peer } = consent;
  await sql`
    insert into consent (tenant_id, customer_id, sequence, consent_id, purpose, granted, text_version, change_time, changed_by,
      client_id, peer)
    values (${tenant}, ${customerId}, ${sequence}, ${consentId}, ${purpose}, ${granted}, ${textVersion}, ${changeTime},
      ${changedBy}, ${clientId}, ${peer})`.execute(tx);
  await sql`
    update customer set consents = consents + 1, events_sent = events_sent + 1
    where tenant_id = ${tenant} and customer_id = ${customerId}`.execute(tx);
}

/** The newest record of each purpose, by purpose; those after the given one. */
export async function readHolding(
  db: Kysely<CustomersTables>,
  page: CustomerKey & { after: string | undefined; rowsMax: number },
): Promise<Consent[]> {
  const read = await sql<Consent>`
    select distinct on (purpose) ${consentColumns} from consent
    where tenant_id = ${page.tenant} and customer_id = ${page.customerId} and purpose > ${page.after ?? ""}
    order by purpose, sequence desc
    limit ${page.rowsMax}`.execute(db);
  return read.rows;
}

/** All records, newest first; those before the given sequence. */
export async function readHistory(
  db: Kysely<CustomersTables>,
  page: CustomerKey & { purpose: string; before: number | undefined; rowsMax: number },
): Promise<Consent[]> {
  const read = await sql<Consent>`
    select ${consentColumns} from consent
    where tenant_id = ${page.tenant} and customer_id = ${page.customerId}
      ${page.purpose === "" ? sql`` : sql`and purpose = ${page.purpose}`}
      ${page.before === undefined ? sql`` : sql`and sequence < ${page.before}`}
    order by sequence desc
    limit ${page.rowsMax}`.execute(db);
  return read.rows;
}
