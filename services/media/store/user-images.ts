// Which image is a user's now, and whether it may have one.
import { sql, type Kysely, type Transaction } from "kysely";
import type { ImageKey } from "../domain/names.ts";
import { lockOwner } from "./owners.ts";
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

export const lockUser = (tx: Transaction<MediaTables>, { tenant, userId }: UserKey): Promise<void> =>
  lockOwner(tx, { tenant, kind: "users", id: userId });

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

/** Notes that the images have thumbnails. Answers those of which it is news: that are their users' now, and had none. */
export async function saveThumbnails(
  tx: Transaction<MediaTables>,
  keys: readonly ImageKey[],
): Promise<(ImageKey & Pick<UserImage, "eventsSent">)[]> {
  const saved = await sql<ImageKey & Pick<UserImage, "eventsSent">>`
    update user_image set has_thumbnail = true, events_sent = events_sent + 1
    from ${given(keys)}
    where ${isGiven} and not has_thumbnail
    returning ${names}, events_sent as "eventsSent"`.execute(tx);
  return saved.rows;
}

/** Those of the images that are their users' now. */
export async function currentImages(
  db: Kysely<MediaTables>,
  keys: readonly ImageKey[],
): Promise<(ImageKey & Pick<UserImage, "hasThumbnail">)[]> {
  const read = await sql<ImageKey & Pick<UserImage, "hasThumbnail">>`
    select ${names}, has_thumbnail as "hasThumbnail" from user_image, ${given(keys)} where ${isGiven}`.execute(db);
  return read.rows;
}

/** Those of the users that were erased. */
export async function erasedUsers(db: Kysely<MediaTables>, users: readonly UserKey[]): Promise<UserKey[]> {
  const read = await sql<UserKey>`
    select tenant_id as tenant, user_id as "userId" from erased_user
    where (tenant_id, user_id) in (
      select * from unnest(${users.map(({ tenant }) => tenant)}::text[], ${users.map(({ userId }) => userId)}::text[]))`.execute(
    db,
  );
  return read.rows;
}

const names = sql`user_image.tenant_id as tenant, user_image.user_id as "userId", user_image.content_hash as "contentHash"`;

const given = (keys: readonly ImageKey[]) => sql`unnest(
    ${keys.map(({ tenant }) => tenant)}::text[],
    ${keys.map(({ userId }) => userId)}::text[],
    ${keys.map(({ contentHash }) => contentHash)}::text[]
  ) as given (tenant_id, user_id, content_hash)`;

const isGiven = sql`user_image.tenant_id = given.tenant_id and user_image.user_id = given.user_id
  and user_image.content_hash = given.content_hash`;
