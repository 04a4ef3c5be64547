// Jobs that run again and again, and how they went. When one runs next is a row of due_work.
import { sql, type Kysely } from "kysely";
import { keepForSystem, releaseTables } from "./tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table scheduled_job (
      name text primary key,
      cron text not null,
      time_zone text not null,
      paused boolean not null default false,
      last_time timestamptz,
      last_outcome text not null default '' check (last_outcome in ('', 'DONE', 'FAILED')),
      last_detail text not null default ''
    )`.execute(db);
  await keepForSystem(db, ["scheduled_job"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, ["scheduled_job"]);
  await sql`drop table scheduled_job`.execute(db);
}
