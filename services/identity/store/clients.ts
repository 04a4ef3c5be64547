// Reads and writes clients and their secrets.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Client } from "../domain/client.ts";
import type { IdentityTables } from "./tables.ts";

const clientColumns = sql`
  client_id as "clientId", tenant_id as tenant, title, is_public as "isPublic", roles, scopes, rate_limit as "rateLimit",
  create_time as "createTime"`;

/** With whether its tenant is shut. */
export async function findClient(
  db: Kysely<IdentityTables>,
  clientId: string,
): Promise<(Client & { isTenantDisabled: boolean }) | undefined> {
  const read = await sql<Client & { isTenantDisabled: boolean }>`
    select ${clientColumns}, (
      select is_disabled from tenant where tenant.tenant_id = client.tenant_id
    ) as "isTenantDisabled"
    from client where client_id = ${clientId}`.execute(db);
  return read.rows[0];
}

/** Whether the client has a secret with this hash that is still good. */
export async function hasSecret(
  tx: Transaction<IdentityTables>,
  secret: { clientId: string; secretHash: Buffer; now: Date },
): Promise<boolean> {
  const read = await sql`
    select 1 from client_secret
    where secret_hash = ${secret.secretHash} and client_id = ${secret.clientId}
      and (expire_time is null or expire_time > ${secret.now})`.execute(tx);
  return read.rows.length > 0;
}

/** Answers whether the id was free. */
export async function insertClient(tx: Transaction<IdentityTables>, client: Client): Promise<boolean> {
  const { clientId, tenant, title, isPublic, roles, scopes, rateLimit, createTime } = client;
  const inserted = await sql`
    insert into client (client_id, tenant_id, title, is_public, roles, scopes, rate_limit, create_time)
    values (${clientId}, ${tenant}, ${title}, ${isPublic}, ${roles}::text[], ${scopes}::text[], ${rateLimit}, ${createTime})
    on conflict do nothing`.execute(tx);
  return inserted.numAffectedRows === 1n;
}

/** The client of the tenant, which nobody else changes until the transaction ends. */
export async function lockClient(
  tx: Transaction<IdentityTables>,
  { tenant, clientId }: { tenant: string; clientId: string },
): Promise<Client | undefined> {
  const read = await sql<Client>`
    select ${clientColumns} from client where client_id = ${clientId} and tenant_id = ${tenant} for update`.execute(tx);
  return read.rows[0];
}

/** The secrets before stay until the given time, or until theirs where that is earlier. */
export async function replaceSecret(
  tx: Transaction<IdentityTables>,
  secret: { clientId: string; secretHash: Buffer; now: Date; previousExpireTime: Date },
): Promise<void> {
  await sql`
    update client_secret set expire_time = least(expire_time, ${secret.previousExpireTime}) where client_id = ${secret.clientId}
    `.execute(tx);
  await sql`
    insert into client_secret (secret_hash, client_id, create_time)
    values (${secret.secretHash}, ${secret.clientId}, ${secret.now})`.execute(tx);
}

/** With its secrets. */
export async function deleteClient(tx: Transaction<IdentityTables>, clientId: string): Promise<void> {
  await sql`delete from client where client_id = ${clientId}`.execute(tx);
}

/** By id; those after the given one, or from the first. */
export async function readClients(
  db: Kysely<IdentityTables>,
  { tenant, after, rowsMax }: { tenant: string; after: string | undefined; rowsMax: number },
): Promise<Client[]> {
  const read = await sql<Client>`
    select ${clientColumns} from client
    where tenant_id = ${tenant} and client_id > ${after ?? ""}
    order by client_id
    limit ${rowsMax}`.execute(db);
  return read.rows;
}
