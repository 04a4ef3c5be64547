// Stock rows: read for answers, locked for changes, written in sets.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Stock } from "../domain/stock.ts";
import type { InventoryTables } from "./tables.ts";

export interface StockRow extends Stock {
  updateTime: Date;
}

interface SkuOfTenant {
  tenant: string;
  sku: string;
}

const stockColumns = sql`
  tenant_id as tenant, sku, on_hand as "onHand", reserved, low_stock_threshold as "lowStockThreshold", sequence,
  update_time as "updateTime"`;

export async function readStock(db: Kysely<InventoryTables>, { tenant, sku }: SkuOfTenant): Promise<StockRow | undefined> {
  const read = await sql<StockRow>`select ${stockColumns} from stock where tenant_id = ${tenant} and sku = ${sku}`.execute(db);
  return read.rows[0];
}

/** Units that can be held now; a SKU without stock records is missing. */
export async function readAvailable(
  db: Kysely<InventoryTables>,
  { tenant, skus }: { tenant: string; skus: readonly string[] },
): Promise<Map<string, number>> {
  const read = await sql<{ sku: string; available: number }>`
    select sku, on_hand - reserved as available from stock where tenant_id = ${tenant} and sku = any(${[...skus]})`.execute(db);
  return new Map(read.rows.map(({ sku, available }) => [sku, available]));
}

/** Locks one row until the transaction ends. */
export async function lockOneStock(
  tx: Transaction<InventoryTables>,
  { tenant, sku }: SkuOfTenant,
): Promise<StockRow | undefined> {
  const read = await sql<StockRow>`
    select ${stockColumns} from stock where tenant_id = ${tenant} and sku = ${sku} for update`.execute(tx);
  return read.rows[0];
}

/** Locks rows until the transaction ends, in one order. */
export async function lockStock(tx: Transaction<InventoryTables>, skus: readonly SkuOfTenant[]): Promise<Stock[]> {
  if (skus.length === 0) return [];
  const locked = await sql<Stock>`
    select ${stockColumns} from stock
    where (tenant_id, sku) in (
      select * from unnest(${skus.map(({ tenant }) => tenant)}::text[], ${skus.map(({ sku }) => sku)}::text[])
    )
    order by tenant_id, sku
    for update`.execute(tx);
  return locked.rows;
}

export interface ChangedStock {
  before: Stock;
  after: Stock;
}

/** Writes locked rows. Throws where one is no longer what it was when it was locked. */
export async function saveStock(tx: Transaction<InventoryTables>, changed: readonly ChangedStock[], now: Date): Promise<void> {
  if (changed.length === 0) return;
  const saved = await sql`
    update stock
    set on_hand = changed.on_hand, reserved = changed.reserved, sequence = changed.sequence, update_time = ${now}
    from unnest(
      ${changed.map(({ after }) => after.tenant)}::text[],
      ${changed.map(({ after }) => after.sku)}::text[],
      ${changed.map(({ before }) => before.onHand)}::bigint[],
      ${changed.map(({ before }) => before.reserved)}::bigint[],
      ${changed.map(({ after }) => after.onHand)}::bigint[],
      ${changed.map(({ after }) => after.reserved)}::bigint[],
      ${changed.map(({ after }) => after.sequence)}::bigint[]
    ) as changed (tenant_id, sku, on_hand_before, reserved_before, on_hand, reserved, sequence)
    where stock.tenant_id = changed.tenant_id and stock.sku = changed.sku
      and stock.on_hand = changed.on_hand_before and stock.reserved = changed.reserved_before`.execute(tx);
  if (saved.numAffectedRows !== BigInt(changed.length)) throw new Error("stock changed under its lock");
}

export interface FirstStock {
  tenant: string;
  sku: string;
  quantity: number;
  lowStockThreshold: number;
}

/** Makes rows for SKUs that have none. Answers the SKUs that had none, as tenant and SKU. */
export async function insertStock(
  tx: Transaction<InventoryTables>,
  first: readonly FirstStock[],
  now: Date,
): Promise<SkuOfTenant[]> {
  const inserted = await sql<SkuOfTenant>`
    insert into stock (tenant_id, sku, on_hand, low_stock_threshold, update_time)
    select tenant_id, sku, quantity, threshold, ${now}
    from unnest(
      ${first.map(({ tenant }) => tenant)}::text[],
      ${first.map(({ sku }) => sku)}::text[],
      ${first.map(({ quantity }) => quantity)}::bigint[],
      ${first.map(({ lowStockThreshold }) => lowStockThreshold)}::bigint[]
    ) as first (tenant_id, sku, quantity, threshold)
    order by tenant_id, sku
    on conflict do nothing
    returning tenant_id as tenant, sku`.execute(tx);
  return inserted.rows;
}
