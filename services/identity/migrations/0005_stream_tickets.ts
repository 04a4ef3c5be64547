// Tickets for streams of callers that cannot send a header. They have the claims of a token and not the token: who reads this
// table cannot act as anybody.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table stream_ticket (
      ticket_hash bytea primary key,
      -- Empty where a service acts for no shop.
      tenant_id text collate "C" not null,
      path text not null,
      claims jsonb not null,
      expire_time timestamptz not null
    )`.execute(db);
  await sql`create index stream_ticket_expiry on stream_ticket (expire_time)`.execute(db);
  await isolateTenants(db, ["stream_ticket"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, ["stream_ticket"]);
  await sql`drop table stream_ticket`.execute(db);
}
