// Reads and writes tenants. None is ever deleted.
import { sql, type Kysely, type Transaction } from "kysely";
import type { MadeTenant, Tenant } from "../domain/tenant.ts";
import type { IdentityTables } from "./tables.ts";

const tenantColumns = sql`
  tenant_id as "tenantId", title, create_time as "createTime", is_disabled as "isDisabled", revoke_time as "revokeTime"`;

export type NewTenant = Omit<MadeTenant, "isDisabled" | "revokeTime">;

/** Answers whether neither the id nor the request id was in use. Waits for one that is being made. */
export async function insertTenant(tx: Transaction<IdentityTables>, tenant: NewTenant): Promise<boolean> {
  const { tenantId, title, requestId, operatorId, createTime } = tenant;
  const inserted = await sql`
    insert into tenant (tenant_id, title, request_id, operator_id, is_announced, create_time)
    values (${tenantId}, ${title}, ${requestId}, ${operatorId}, false, ${createTime})
    on conflict do nothing`.execute(tx);
  return inserted.numAffectedRows === 1n;
}

export async function findTenant(db: Kysely<IdentityTables>, tenantId: string): Promise<Tenant | undefined> {
  const read = await sql<Tenant>`select ${tenantColumns} from tenant where tenant_id = ${tenantId}`.execute(db);
  return read.rows[0];
}

/** The tenant, which nobody else changes until the transaction ends. */
export async function lockTenant(tx: Transaction<IdentityTables>, tenantId: string): Promise<Tenant | undefined> {
  const read = await sql<Tenant>`
    select ${tenantColumns} from tenant where tenant_id = ${tenantId} for no key update`.execute(tx);
  return read.rows[0];
}

export async function saveDisabled(
  tx: Transaction<IdentityTables>,
  { tenantId, isDisabled, revokeTime }: Pick<Tenant, "tenantId" | "isDisabled" | "revokeTime">,
): Promise<void> {
  await sql`
    update tenant set is_disabled = ${isDisabled}, revoke_time = ${revokeTime} where tenant_id = ${tenantId}`.execute(tx);
}

export async function findTenantOfRequest(db: Kysely<IdentityTables>, requestId: string): Promise<MadeTenant | undefined> {
  const read = await sql<MadeTenant>`
    select ${tenantColumns}, request_id as "requestId", operator_id as "operatorId" from tenant
    where request_id = ${requestId}`.execute(db);
  return read.rows[0];
}

/** By id; those after the given one, or from the first. */
export async function readTenants(
  db: Kysely<IdentityTables>,
  { after, rowsMax }: { after: string | undefined; rowsMax: number },
): Promise<Tenant[]> {
  const read = await sql<Tenant>`
    select ${tenantColumns} from tenant where tenant_id > ${after ?? ""} order by tenant_id limit ${rowsMax}`.execute(db);
  return read.rows;
}

/** Tenants that nobody has been told of yet; from now on they count as told. */
export async function takeUnannounced(tx: Transaction<IdentityTables>): Promise<Tenant[]> {
  const taken = await sql<Tenant>`
    update tenant set is_announced = true where not is_announced returning ${tenantColumns}`.execute(tx);
  return taken.rows;
}
