// Reviews have a deadline, and somebody who works on them; people write notes about them.
import { sql, type Kysely } from "kysely";
import { isolateTenants } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    alter table rule_set
      add column review_seconds integer not null default 0 check (review_seconds >= 0),
      add column at_deadline text not null default 'REJECTED' check (at_deadline in ('CLEARED', 'REJECTED')),
      add constraint time_to_clear check (at_deadline <> 'CLEARED' or review_seconds > 0)`.execute(db);
  await sql`
    alter table assessment
      drop constraint assessment_decider_check, drop constraint one_event_a_decision,
      add column review_deadline timestamptz,
      add column claimed_by text not null default '',
      add column claim_expire_time timestamptz,
      add constraint assessment_decider_check check (decider in ('RULES', 'PERSON', 'DEADLINE', 'CANCELLATION')),
      add constraint one_event_a_decision check (
        event_count = case when decider in ('PERSON', 'DEADLINE') then 2 else 1 end),
      add constraint claimed_for_a_time check ((claimed_by <> '') = (claim_expire_time is not null)),
      add constraint claimed_while_in_review check (claimed_by = '' or state = 'REVIEW')`.execute(db);
  // Where the owner is no superuser it sees rows of tenants only so.
  await sql`select set_config('ordermesh.system', 'on', true)`.execute(db);
  // Their orders end them; when that is stands in orders' books only.
  await sql`update assessment set review_deadline = create_time + interval '1 day' where state = 'REVIEW'`.execute(db);
  await sql`select set_config('ordermesh.system', '', true)`.execute(db);
  // While instances of the older version are still at work they give none.
  await sql`alter table assessment alter column review_deadline set default now() + interval '1 day'`.execute(db);
  await sql`
    alter table assessment add constraint a_review_has_an_end check (state <> 'REVIEW' or review_deadline is not null)`.execute(
    db,
  );
  await sql`
    create index assessment_in_review on assessment (tenant_id, review_deadline, order_id) where state = 'REVIEW'`.execute(db);
  await sql`
    create table review_note (
      tenant_id text not null,
      order_id text collate "C" not null,
      note_number bigint generated always as identity,
      author text not null check (author <> ''),
      text text not null check (text <> ''),
      create_time timestamptz not null,
      primary key (tenant_id, order_id, note_number),
      foreign key (tenant_id, order_id) references assessment
    )`.execute(db);
  await isolateTenants(db, ["review_note"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table review_note`.execute(db);
  await sql`select set_config('ordermesh.system', 'on', true)`.execute(db);
  // The older version knows of no deadline: to it, whoever decided and told it was a person.
  await sql`alter table assessment drop constraint one_event_a_decision`.execute(db);
  await sql`update assessment set decider = 'PERSON', decided_by = 'deadline' where decider = 'DEADLINE'`.execute(db);
  await sql`select set_config('ordermesh.system', '', true)`.execute(db);
  await sql`
    alter table assessment
      drop constraint assessment_decider_check, drop column review_deadline, drop column claimed_by, drop column claim_expire_time,
      add constraint assessment_decider_check check (decider in ('RULES', 'PERSON', 'CANCELLATION')),
      add constraint one_event_a_decision check (event_count = case when decider is not distinct from 'PERSON' then 2 else 1 end)
    `.execute(db);
  await sql`alter table rule_set drop column review_seconds, drop column at_deadline`.execute(db);
}
