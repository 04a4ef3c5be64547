// Writes products, and the requests that made them.
import { sql, type Transaction } from "kysely";
import type { Product, Variant } from "./read.ts";
import type { CatalogTables } from "./tables.ts";

export type Claim = { kind: "mine" } | { kind: "repeat"; productId: string } | { kind: "other_content" };

/** Claims a request id for a product that is about to be made. A repeat waits here until the first is made or failed. */
export async function claimRequest(
  tx: Transaction<CatalogTables>,
  request: { tenant: string; requestId: string; contentHash: Buffer; productId: string },
): Promise<Claim> {
  const { tenant, requestId, contentHash, productId } = request;
  const claimed = await sql`
    insert into create_request (tenant_id, request_id, content_hash, product_id)
    values (${tenant}, ${requestId}, ${contentHash}, ${productId})
    on conflict do nothing`.execute(tx);
  if (claimed.numAffectedRows === 1n) return { kind: "mine" };
  const read = await sql<{ contentHash: Buffer; productId: string }>`
    select content_hash as "contentHash", product_id as "productId" from create_request
    where tenant_id = ${tenant} and request_id = ${requestId}`.execute(tx);
  const [first] = read.rows;
  if (!first) throw new Error("a claimed request has gone");
  return first.contentHash.equals(contentHash) ? { kind: "repeat", productId: first.productId } : { kind: "other_content" };
}

/** Writes a product with its variants and prices. Answers the SKUs that others have already; then nothing may stay. */
export async function insertProduct(tx: Transaction<CatalogTables>, tenant: string, product: Product): Promise<string[]> {
  const { productId, title, description, createTime, variants } = product;
  await sql`
    insert into product (tenant_id, product_id, title, description, create_time)
    values (${tenant}, ${productId}, ${title}, ${description}, ${createTime})`.execute(tx);
  const taken = await insertVariants(tx, { tenant, productId, variants });
  if (taken.length === 0) await insertPrices(tx, tenant, variants);
  return taken;
}

async function insertVariants(
  tx: Transaction<CatalogTables>,
  { tenant, productId, variants }: { tenant: string; productId: string; variants: readonly Variant[] },
): Promise<string[]> {
  // In the order of the SKUs, so that two products which want the same ones do not wait for each other.
  const inserted = await sql<{ sku: string }>`
    insert into variant (tenant_id, sku, product_id, position, title, weight_grams, tax_class)
    select ${tenant}, sku, ${productId}, position - 1, title, weight_grams, tax_class
    from unnest(
      ${variants.map(({ sku }) => sku)}::text[],
      ${variants.map(({ title }) => title)}::text[],
      ${variants.map(({ weightGrams }) => weightGrams)}::integer[],
      ${variants.map(({ taxClass }) => taxClass)}::text[]
    ) with ordinality as new (sku, title, weight_grams, tax_class, position)
    order by sku collate "C"
    on conflict (tenant_id, sku) do nothing
    returning sku`.execute(tx);
  const mine = new Set(inserted.rows.map(({ sku }) => sku));
  return variants.map(({ sku }) => sku).filter((sku) => !mine.has(sku));
}

async function insertPrices(tx: Transaction<CatalogTables>, tenant: string, variants: readonly Variant[]): Promise<void> {
  const prices = variants.flatMap(({ sku, prices }) => prices.map((price) => ({ sku, ...price })));
  await sql`
    insert into price (tenant_id, sku, currency_code, minor_units)
    select ${tenant}, * from unnest(
      ${prices.map(({ sku }) => sku)}::text[],
      ${prices.map(({ currencyCode }) => currencyCode)}::text[],
      ${prices.map(({ minorUnits }) => minorUnits)}::bigint[]
    )`.execute(tx);
}
