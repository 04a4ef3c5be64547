// Which image is a user's now, and whether it may have one.
import { sql, type Kysely, type Transaction } from "kysely";
import type { ImageKey } from "../domain/names.ts";
import type { MediaTables, UserKey } from "./tables.ts";

export interface UserImage extends ImageKey {
  width: number;
  height: number;
  bytes: number;
  hasThumbnail: boolean;
  /** Of this user so far. */
  eventsSent: number;
  uploadTime: Date;
}

const columns = sql`
  tenant_id as tenant, user_id as "userId", content_hash as "contentHash", width, height, bytes,
  has_thumbnail as "hasThumbnail", events_sent as "eventsSent", upload_time as "uploadTime"`;

export async function readImage(db: Kysely<MediaTables>, { tenant, userId }: UserKey): Promise<UserImage | undefined> {
  const read = await sql<UserImage>`
    select ${columns} from user_image where tenant_id = ${tenant} and user_id = ${userId}`.execute(db);
  return read.rows[0];
}

export async function isErased(db: Kysely<MediaTables>, { tenant, userId }: UserKey): Promise<boolean> {
  const read = await sql`select from erased_user where tenant_id = ${tenant} and user_id = ${userId}`.execute(db);
  return read.rows.length > 0;
}

/** One at a time of all that change what a user has, also where it has nothing yet. */
export async function lockUser(tx: Transaction<MediaTables>, { tenant, userId }: UserKey): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`${tenant} ${userId}`}, 0))`.execute(tx);
}

/** In the place of the one before. */
export async function saveImage(tx: Transaction<MediaTables>, image: UserImage): Promise<void> {
  const { tenant, userId, contentHash, width, height, bytes, eventsSent, uploadTime } = image;
  await sql`
    insert into user_image (tenant_id, user_id, content_hash, width, height, bytes, events_sent, upload_time)
    values (${tenant}, ${userId}, ${contentHash}, ${width}, ${height}, ${bytes}, ${eventsSent}, ${uploadTime})
    on conflict (tenant_id, user_id) do update
      set content_hash = excluded.content_hash, width = excluded.width, height = excluded.height, bytes = excluded.bytes,
        has_thumbnail = false, events_sent = excluded.events_sent, upload_time = excluded.upload_time`.execute(tx);
}

/** Answers how many events its user has had, this one too; undefined where the image is not the user's any more, or has one. */
export async function saveThumbnail(tx: Transaction<MediaTables>, key: ImageKey): Promise<number | undefined> {
  const { tenant, userId, contentHash } = key;
  const saved = await sql<{ eventsSent: number }>`
    update user_image set has_thumbnail = true, events_sent = events_sent + 1
    where tenant_id = ${tenant} and user_id = ${userId} and content_hash = ${contentHash} and not has_thumbnail
    returning events_sent as "eventsSent"`.execute(tx);
  return saved.rows[0]?.eventsSent;
}

/** Those of the names' images that are their users' now, over all tenants. */
export async function keptImages(db: Kysely<MediaTables>, keys: readonly ImageKey[]): Promise<ImageKey[]> {
  const read = await sql<ImageKey>`
    select tenant_id as tenant, user_id as "userId", content_hash as "contentHash"
    from user_image
    join unnest(
      ${keys.map(({ tenant }) => tenant)}::text[],
      ${keys.map(({ userId }) => userId)}::text[],
      ${keys.map(({ contentHash }) => contentHash)}::text[]
    ) as asked (tenant_id, user_id, content_hash) using (tenant_id, user_id, content_hash)`.execute(db);
  return read.rows;
}
