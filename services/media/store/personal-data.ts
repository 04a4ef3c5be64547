// What is kept of a customer: its image. It is erased in two steps, the rows at once and the files after them.
import { sql, type Kysely, type Transaction } from "kysely";
import type { PersonalData, PersonalRecord, Remainder } from "#runtime/privacy/personal-data.ts";
import type { MediaTables, UserKey } from "./tables.ts";
import { lockUser } from "./user-images.ts";

/** From now on nothing is taken for the user. */
export async function eraseUser(tx: Transaction<MediaTables>, user: UserKey): Promise<void> {
  const { tenant, userId } = user;
  await lockUser(tx, user);
  await sql`insert into erased_user (tenant_id, user_id) values (${tenant}, ${userId}) on conflict do nothing`.execute(tx);
  await sql`delete from user_image where tenant_id = ${tenant} and user_id = ${userId}`.execute(tx);
}

export async function noteFilesGone(tx: Transaction<MediaTables>, { tenant, userId }: UserKey): Promise<void> {
  await sql`update erased_user set files_gone = true where tenant_id = ${tenant} and user_id = ${userId}`.execute(tx);
}

export function mediaData(db: Kysely<MediaTables>): PersonalData {
  return {
    list: async ({ tenant, customerId, orderIds }) => {
      if (orderIds.length > 0) return { records: [] };
      const read = await sql<PersonalRecord>`
        select 'image' as kind, content_hash as id, to_jsonb(user_image) - 'tenant_id' as content
        from user_image where tenant_id = ${tenant} and user_id = ${customerId}`.execute(db);
      return { records: read.rows };
    },

    remainders: async ({ tenant, customerId, orderIds }) => {
      if (orderIds.length > 0) return [];
      const read = await sql<Remainder>`
        select 'image' as kind, content_hash as id, 'SOON' as reason
        from user_image where tenant_id = ${tenant} and user_id = ${customerId}
        union all
        select 'image_files', user_id, 'SOON' from erased_user
        where tenant_id = ${tenant} and user_id = ${customerId} and not files_gone`.execute(db);
      return read.rows;
    },
  };
}
