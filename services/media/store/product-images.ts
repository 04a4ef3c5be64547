// Which image is a product's now, and in which sizes it is there.
import { sql, type Kysely, type Transaction } from "kysely";
import type { ProductImageKey } from "../domain/names.ts";
import type { MediaTables } from "./tables.ts";

export interface ProductImage extends ProductImageKey {
  width: number;
  height: number;
  bytes: number;
  /** Pixels of the longer side, smallest first; none until all of them are made. */
  sizes: number[];
  /** Of this product so far. */
  eventsSent: number;
  uploadTime: Date;
}

const columns = sql`
  product_image.tenant_id as tenant, product_image.product_id as "productId", product_image.content_hash as "contentHash",
  width, height, bytes, product_image.sizes, events_sent as "eventsSent", upload_time as "uploadTime"`;

export async function readProductImage(
  db: Kysely<MediaTables>,
  { tenant, productId }: Omit<ProductImageKey, "contentHash">,
): Promise<ProductImage | undefined> {
  const read = await sql<ProductImage>`
    select ${columns} from product_image where tenant_id = ${tenant} and product_id = ${productId}`.execute(db);
  return read.rows[0];
}

/** In the place of the one before, and without sizes. */
export async function saveProductImage(tx: Transaction<MediaTables>, image: ProductImage): Promise<void> {
  const { tenant, productId, contentHash, width, height, bytes, eventsSent, uploadTime } = image;
  await sql`
    insert into product_image (tenant_id, product_id, content_hash, width, height, bytes, events_sent, upload_time)
    values (${tenant}, ${productId}, ${contentHash}, ${width}, ${height}, ${bytes}, ${eventsSent}, ${uploadTime})
    on conflict (tenant_id, product_id) do update
      set content_hash = excluded.content_hash, width = excluded.width, height = excluded.height, bytes = excluded.bytes,
        sizes = '{}', events_sent = excluded.events_sent, upload_time = excluded.upload_time`.execute(tx);
}

/** Those of the images that are their products' now. */
export async function currentProductImages(db: Kysely<MediaTables>, keys: readonly ProductImageKey[]): Promise<ProductImage[]> {
  const read = await sql<ProductImage>`
    select ${columns} from product_image, ${given(keys)} where ${isGiven}`.execute(db);
  return read.rows;
}

/** Notes the sizes of images that had none. Answers those of which it is news, as they are then. */
export async function saveSizes(
  tx: Transaction<MediaTables>,
  images: readonly (ProductImageKey & Pick<ProductImage, "sizes">)[],
): Promise<ProductImage[]> {
  const lists = images.map(({ sizes }) => `{${sizes.join(",")}}`);
  const saved = await sql<ProductImage>`
    update product_image set sizes = given.sizes::integer[], events_sent = events_sent + 1
    from ${given(images, lists)}
    where ${isGiven} and product_image.sizes = '{}'
    returning ${columns}`.execute(tx);
  return saved.rows;
}

/** @param sizes One list for each, as PostgreSQL writes it: arrays of arrays must all have the same length there. */
const given = (keys: readonly ProductImageKey[], sizes: readonly string[] = keys.map(() => "{}")) => sql`unnest(
    ${keys.map(({ tenant }) => tenant)}::text[],
    ${keys.map(({ productId }) => productId)}::text[],
    ${keys.map(({ contentHash }) => contentHash)}::text[],
    ${sizes}::text[]
  ) as given (tenant_id, product_id, content_hash, sizes)`;

const isGiven = sql`product_image.tenant_id = given.tenant_id and product_image.product_id = given.product_id
  and product_image.content_hash = given.content_hash`;
