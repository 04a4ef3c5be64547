// Tenants are registered: whoever has a client or an account is of one. Those of an older version are found by their rows, and
// told of at the next start.
import { sql, type Kysely } from "kysely";
import { isolateTenants } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table tenant (
      tenant_id text collate "C" primary key check (tenant_id ~ '^[A-Za-z0-9_-]{1,63}$'),
      title text not null,
      request_id text collate "C" unique check (request_id <> ''),
      -- Shown again to who asks again; it may have been deleted.
      operator_id text collate "C",
      -- Whether the services were told of it.
      is_announced boolean not null,
      create_time timestamptz not null,
      is_disabled boolean not null default false,
      -- Tokens that were issued up to then are revoked.
      revoke_time timestamptz
    )`.execute(db);
  // Where the owner is no superuser it sees rows of tenants only so.
  await sql`select set_config('ordermesh.system', 'on', true)`.execute(db);
  await sql`
    insert into tenant (tenant_id, title, is_announced, create_time)
    select tenant_id, '', false, now() from (select tenant_id from client union select tenant_id from account) as known`.execute(
    db,
  );
  await sql`alter table client add constraint client_tenant foreign key (tenant_id) references tenant`.execute(db);
  await sql`alter table account add constraint account_tenant foreign key (tenant_id) references tenant`.execute(db);
  await sql`select set_config('ordermesh.system', '', true)`.execute(db);
  await isolateTenants(db, ["tenant"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`alter table client drop constraint client_tenant`.execute(db);
  await sql`alter table account drop constraint account_tenant`.execute(db);
  await sql`drop table tenant`.execute(db);
}
