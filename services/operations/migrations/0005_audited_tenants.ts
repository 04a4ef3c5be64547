// The books of every tenant are audited, each at its own place.
import { sql, type Kysely } from "kysely";
import { isolateTenants, keepForSystem, releaseTables } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table audited_tenant (
      tenant_id text collate "C" primary key,
      -- Whether identity has told of it; else it is known by events of its own alone.
      is_registered boolean not null,
      -- When its books were last looked into: whoever waits for the longest time is next.
      turn_time timestamptz not null
    )`.execute(db);
  await sql`create index audited_tenant_by_turn on audited_tenant (turn_time, tenant_id)`.execute(db);
  // Of whose books they spoke was said nowhere: the next pass begins anew.
  await sql`drop table audit_walk, audit_check`.execute(db);
  await sql`
    create table audit_check (
      tenant_id text collate "C" not null,
      check_name text not null,
      rows_checked bigint not null default 0,
      last_run_time timestamptz,
      last_complete_time timestamptz,
      -- When the pass began that was last complete.
      complete_pass_time timestamptz,
      problem text not null default '',
      primary key (tenant_id, check_name)
    )`.execute(db);
  await sql`
    create table audit_walk (
      tenant_id text collate "C" not null,
      walk text not null,
      page_token text not null default '',
      pass_time timestamptz not null,
      -- Checks that could not be made somewhere in this pass: it proves nothing for them.
      failed_checks text[] not null default '{}',
      primary key (tenant_id, walk)
    )`.execute(db);
  await sql`alter table audit_request add column begin_time timestamptz`.execute(db);
  // Where the owner is no superuser it sees rows of tenants only so.
  await sql`select set_config('ordermesh.system', 'on', true)`.execute(db);
  // "" is that of an installation that audited its own alone, which no table names.
  await sql`alter table sweep_action add column tenant_id text not null default ''`.execute(db);
  await sql`
    update sweep_action set tenant_id = audit_finding.tenant_id from audit_finding
    where audit_finding.violation_id = sweep_action.violation_id`.execute(db);
  await sql`alter table sweep_action alter column tenant_id drop default`.execute(db);
  await sql`
    insert into audited_tenant select distinct tenant_id, false, now() from stream_key where service <> 'auditlog'`.execute(db);
  await sql`select set_config('ordermesh.system', '', true)`.execute(db);
  await releaseTables(db, ["sweep_action"]);
  await isolateTenants(db, ["audited_tenant", "audit_check", "audit_walk", "sweep_action"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, ["sweep_action"]);
  await sql`alter table sweep_action drop column tenant_id`.execute(db);
  await keepForSystem(db, ["sweep_action"]);
  await sql`alter table audit_request drop column begin_time`.execute(db);
  await sql`drop table audited_tenant`.execute(db);
  await releaseTables(db, ["audit_check", "audit_walk"]);
  for (const [table, name] of [
    ["audit_check", "check_name"],
    ["audit_walk", "walk"],
  ] as const) {
    await sql`truncate ${sql.id(table)}`.execute(db);
    await sql`alter table ${sql.id(table)} drop column tenant_id, add primary key (${sql.id(name)})`.execute(db);
  }
}
