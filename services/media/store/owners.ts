// What is the same for users and products: one image at a time, changed by one transaction at a time.
import { sql, type Kysely, type Transaction } from "kysely";
import type { ImageOwner, OwnedImage } from "../domain/names.ts";
import type { MediaTables } from "./tables.ts";

/** One at a time of all that change what an owner has, also where it has nothing yet. */
export async function lockOwner(tx: Transaction<MediaTables>, { tenant, kind, id }: ImageOwner): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`${tenant} ${kind} ${id}`}, 0))`.execute(tx);
}

/** Those of the images that are their owners' now. */
export async function namedImages(db: Kysely<MediaTables>, images: readonly OwnedImage[]): Promise<OwnedImage[]> {
  const read = await sql<OwnedImage>`
    with given as (
      select * from unnest(
        ${images.map(({ tenant }) => tenant)}::text[],
        ${images.map(({ kind }) => kind)}::text[],
        ${images.map(({ id }) => id)}::text[],
        ${images.map(({ contentHash }) => contentHash)}::text[]
      ) as given (tenant, kind, id, content_hash)
    )
    select tenant, kind, id, given.content_hash as "contentHash" from given
    join user_image on tenant_id = tenant and user_id = id and user_image.content_hash = given.content_hash
    where kind = 'users'
    union
    select tenant, kind, id, given.content_hash from given
    join product_image on tenant_id = tenant and product_id = id and product_image.content_hash = given.content_hash
    where kind = 'products'`.execute(db);
  return read.rows;
}
