// Notes what products look like.
import { sql, type Transaction } from "kysely";
import type { ProductImage } from "../domain.ts";
import type { CatalogTables } from "./tables.ts";

/** Of products that there are; each once. */
export async function saveImages(
  tx: Transaction<CatalogTables>,
  images: readonly { tenant: string; productId: string; image: ProductImage }[],
): Promise<void> {
  await sql`
    update product set image = new.image::jsonb
    from unnest(
      ${images.map(({ tenant }) => tenant)}::text[],
      ${images.map(({ productId }) => productId)}::text[],
      ${images.map(({ image }) => JSON.stringify(image))}::text[]
    ) as new (tenant_id, product_id, image)
    where product.tenant_id = new.tenant_id and product.product_id = new.product_id`.execute(tx);
}
