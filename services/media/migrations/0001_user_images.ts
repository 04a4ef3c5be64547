// Images of users: which one is a user's now. A row names files that stand.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

const tables = ["user_image", "erased_user"];

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table user_image (
      tenant_id text collate "C" not null,
      user_id text collate "C" not null,
      content_hash text collate "C" not null check (content_hash ~ '^[0-9a-f]{64}$'),
      width integer not null check (width > 0),
      height integer not null check (height > 0),
      bytes bigint not null check (bytes > 0),
      has_thumbnail boolean not null default false,
      events_sent integer not null check (events_sent > 0),
      upload_time timestamptz not null,
      primary key (tenant_id, user_id)
    )`.execute(db);
  // Nothing of them may come back. Their files go after their rows.
  await sql`
    create table erased_user (
      tenant_id text collate "C" not null,
      user_id text collate "C" not null,
      files_gone boolean not null default false,
      primary key (tenant_id, user_id)
    )`.execute(db);
  await isolateTenants(db, tables);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, tables);
  await sql`drop table erased_user, user_image`.execute(db);
}
