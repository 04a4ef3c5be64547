// What the sandbox shows of its books, as a provider's reports do.
import { sql, type Kysely } from "kysely";
import type { Charge, ChargePage, Statement } from "./contract.ts";

export async function readStatement<Tables>(
  db: Kysely<Tables>,
  { tenant, references }: { tenant: string; references: readonly string[] },
): Promise<Map<string, Statement>> {
  if (references.length === 0) return new Map();
  const found = await sql<Statement & { reference: string }>`
    select reference, currency_code as "currencyCode", authorized_minor_units as authorized, voided_minor_units as voided,
      captured_minor_units as captured, refunded_minor_units as refunded
    from sandbox_charge where tenant_id = ${tenant} and reference = any(${references}::text[])
    union all
    select reference, currency_code, 0, 0, 0, 0 from sandbox_challenge
    where tenant_id = ${tenant} and reference = any(${references}::text[]) and state <> 'APPROVED'`.execute(db);
  return new Map(found.rows.map(({ reference, ...statement }) => [reference, statement]));
}

export async function listCharges<Tables>(
  db: Kysely<Tables>,
  { tenant, since, after, rowsMax }: { tenant: string; since: Date; after: string | undefined; rowsMax: number },
): Promise<ChargePage> {
  const from = after
    ? sql`and (create_time, reference) < (
        select create_time, reference from sandbox_charge where tenant_id = ${tenant} and reference = ${after}
      )`
    : sql``;
  const found = await sql<Charge>`
    select reference, currency_code as "currencyCode", authorized_minor_units as authorized,
      coalesce((
        select idempotency_key from sandbox_operation operation
        where operation.tenant_id = charge.tenant_id and operation.reference = charge.reference and kind = 'authorize'
        limit 1
      ), '') as "idempotencyKey"
    from sandbox_charge charge
    where tenant_id = ${tenant} and create_time >= ${since} ${from}
    order by create_time desc, reference desc
    limit ${rowsMax + 1}`.execute(db);
  const charges = found.rows.slice(0, rowsMax);
  return { charges, nextAfter: found.rows.length > rowsMax ? charges.at(-1)?.reference : undefined };
}
