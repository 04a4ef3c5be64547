// Whose books there are: every tenant that identity has told of, and every other that has had an event.
import { sql, type Kysely, type Transaction } from "kysely";
import type { OperationsTables } from "../tables.ts";

export interface SeenTenant {
  tenant: string;
  /** Whether identity has told of it. */
  isRegistered: boolean;
}

/** Once told of, a tenant stays so. One that is new is the next to be looked at. */
export async function noteTenants(tx: Transaction<OperationsTables>, seen: readonly SeenTenant[]): Promise<void> {
  if (seen.length === 0) return;
  await sql`
    insert into audited_tenant (tenant_id, is_registered, turn_time)
    select tenant_id, bool_or(is_registered), '-infinity' from unnest(
      ${seen.map(({ tenant }) => tenant)}::text[],
      ${seen.map(({ isRegistered }) => isRegistered)}::boolean[]
    ) as seen (tenant_id, is_registered)
    group by tenant_id
    on conflict (tenant_id) do update set is_registered = true
      where excluded.is_registered and not audited_tenant.is_registered`.execute(tx);
}

/** Those that wait for the longest time; from now on they wait behind all others. */
export async function takeTurns(
  tx: Transaction<OperationsTables>,
  { now, rowsMax }: { now: Date; rowsMax: number },
): Promise<string[]> {
  const taken = await sql<{ tenant: string }>`
    with next as (select tenant_id from audited_tenant order by turn_time, tenant_id limit ${rowsMax})
    update audited_tenant set turn_time = ${now} from next where audited_tenant.tenant_id = next.tenant_id
    returning audited_tenant.tenant_id as tenant`.execute(tx);
  return taken.rows.map(({ tenant }) => tenant);
}

/** A page of all tenants, by id, those after the given one. */
export async function readAudited(
  db: Kysely<OperationsTables>,
  { after, rowsMax }: { after: string; rowsMax: number },
): Promise<string[]> {
  const read = await sql<{ tenant: string }>`
    select tenant_id as tenant from audited_tenant where tenant_id > ${after} order by tenant_id limit ${rowsMax}`.execute(db);
  return read.rows.map(({ tenant }) => tenant);
}

export async function countAudited(db: Kysely<OperationsTables>): Promise<number> {
  const read = await sql<{ tenants: number }>`select count(*) as tenants from audited_tenant`.execute(db);
  return read.rows[0]?.tenants ?? 0;
}

export interface UnregisteredTenant {
  tenant: string;
  rowsChecked: number;
}

/** Tenants of which nobody has told and in whose books the auditor has seen rows, by id. The installation's own needs no telling. */
export async function readUnregistered(
  db: Kysely<OperationsTables>,
  { home, after, rowsMax }: { home: string; after: string; rowsMax: number },
): Promise<UnregisteredTenant[]> {
  const read = await sql<UnregisteredTenant>`
    select tenant_id as tenant, sum(rows_checked)::bigint as "rowsChecked"
    from audited_tenant join audit_check using (tenant_id)
    where not is_registered and tenant_id <> ${home} and tenant_id > ${after}
    group by tenant_id having sum(rows_checked) > 0
    order by tenant_id limit ${rowsMax}`.execute(db);
  return read.rows;
}

/**
 * Forgets tenants of which nobody has told, that have no books and no events in the stream any more: whoever may publish could
 * else have us look for ever at names that it makes up.
 */
export async function forgetTenants(
  tx: Transaction<OperationsTables>,
  { home, services, rowsMax }: { home: string; services: readonly string[]; rowsMax: number },
): Promise<void> {
  await sql`
    with gone as (
      delete from audited_tenant where tenant_id in (
        select tenant_id from audited_tenant tenant
        where not is_registered and tenant_id <> ${home}
          and not exists (
            select from unnest(${[...services]}::text[]) as sender (service)
            join stream_key using (service) where stream_key.tenant_id = tenant.tenant_id
          )
          and not exists (select from audit_check seen where seen.tenant_id = tenant.tenant_id and rows_checked > 0)
          and not exists (select from audit_finding found where found.tenant_id = tenant.tenant_id)
        limit ${rowsMax}
      )
      returning tenant_id
    ), walks as (
      delete from audit_walk using gone where audit_walk.tenant_id = gone.tenant_id
    )
    delete from audit_check using gone where audit_check.tenant_id = gone.tenant_id`.execute(tx);
}
