// Reads products and prices.
import { sql, type Kysely } from "kysely";
import type { Price, ProductImage } from "../domain.ts";
import type { CatalogTables } from "./tables.ts";

export interface Variant {
  sku: string;
  title: string;
  prices: Price[];
  /** Of one unit; 0 where it is not known. */
  weightGrams: number;
  taxClass: string;
}

export interface Product {
  productId: string;
  title: string;
  description: string;
  createTime: Date;
  /** Null where there is nothing to be shown. */
  image: ProductImage | null;
  variants: Variant[];
}

type ProductRow = Omit<Product, "variants">;

const productColumns = sql`product_id as "productId", title, description, create_time as "createTime", image`;

export async function readProduct(
  db: Kysely<CatalogTables>,
  { tenant, productId }: { tenant: string; productId: string },
): Promise<Product | undefined> {
  const read = await sql<ProductRow>`
    select ${productColumns} from product where tenant_id = ${tenant} and product_id = ${productId}`.execute(db);
  return (await withVariants(db, { tenant, rows: read.rows }))[0];
}

/** Newest first; those before the given product, or the newest of all. */
export async function readProducts(
  db: Kysely<CatalogTables>,
  { tenant, before, rowsMax }: { tenant: string; before: string | undefined; rowsMax: number },
): Promise<Product[]> {
  const read = await sql<ProductRow>`
    select ${productColumns} from product
    where tenant_id = ${tenant} and (${before ?? null}::text is null or product_id < ${before ?? null})
    order by product_id desc
    limit ${rowsMax}`.execute(db);
  return withVariants(db, { tenant, rows: read.rows });
}

/** Variants never change, so the parts of products may be read one after the other. */
async function withVariants(
  db: Kysely<CatalogTables>,
  { tenant, rows }: { tenant: string; rows: readonly ProductRow[] },
): Promise<Product[]> {
  if (rows.length === 0) return [];
  const read = await sql<{ productId: string } & Variant>`
    select product_id as "productId", variant.sku, title, weight_grams as "weightGrams",
      tax_class as "taxClass",
      json_agg(json_build_object('currencyCode', currency_code, 'minorUnits', minor_units) order by currency_code) as prices
    from variant join price using (tenant_id, sku)
    where tenant_id = ${tenant} and product_id = any(${rows.map(({ productId }) => productId)})
    group by product_id, position, variant.sku, title, weight_grams, tax_class
    order by product_id, position`.execute(db);
  const variants = Map.groupBy(read.rows, ({ productId }) => productId);
  return rows.map((row) => ({
    ...row,
    variants: (variants.get(row.productId) ?? []).map(({ sku, title, prices, weightGrams, taxClass }) => ({
      sku,
      title,
      prices,
      weightGrams,
      taxClass,
    })),
  }));
}

export interface PriceRow {
  sku: string;
  /** Null where no product has the SKU. */
  product: string | null;
  variant: string | null;
  /** Null where it is not sold in the currency. */
  minorUnits: number | null;
  weightGrams: number | null;
  taxClass: string | null;
}

/** What is known about each SKU, in the order given. One query, whatever their number. */
export async function readPrices(
  db: Kysely<CatalogTables>,
  wanted: { tenant: string; currencyCode: string; skus: readonly string[] },
): Promise<PriceRow[]> {
  const read = await sql<PriceRow>`
    select wanted.sku, product.title as product, variant.title as variant, price.minor_units as "minorUnits",
      variant.weight_grams as "weightGrams", variant.tax_class as "taxClass"
    from unnest(${[...wanted.skus]}::text[]) with ordinality as wanted (sku, position)
    left join variant on variant.tenant_id = ${wanted.tenant} and variant.sku = wanted.sku
    left join product on product.tenant_id = variant.tenant_id and product.product_id = variant.product_id
    left join price
      on price.tenant_id = variant.tenant_id and price.sku = variant.sku and price.currency_code = ${wanted.currencyCode}
    order by wanted.position`.execute(db);
  return read.rows;
}
