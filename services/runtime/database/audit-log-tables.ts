// Who changed what: the audit log of a service, and the seals that make a later change of it visible. Rows are only added.
import { sql, type Kysely } from "kysely";
import { isolateTenants, keepForSystem } from "./tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  // Partitioned by month: it is kept for years, and goes a whole partition at a time.
  await sql`
    create table audit_entry (
      id bigint generated always as identity,
      -- The order of commits, in which entries are sealed.
      xid xid8 not null default pg_current_xact_id(),
      tenant_id text collate "C" not null,
      subject text collate "C" not null,
      client_id text not null,
      roles text not null,
      method text collate "C" not null,
      resource_kind text collate "C" not null,
      resource_id text collate "C" not null,
      -- As text, because its hash is of the text. Null where there was or is nothing.
      before json,
      after json,
      outcome text not null check (outcome in ('OK', 'PERMISSION_DENIED')),
      reason text not null,
      peer text not null,
      request_id text not null,
      entry_time timestamptz not null,
      hash bytea not null check (length(hash) = 32)
    ) partition by range (entry_time)`.execute(db);
  await sql`create index audit_entry_by_commit on audit_entry (xid, id)`.execute(db);
  await sql`create index audit_entry_by_time on audit_entry (tenant_id, entry_time, id)`.execute(db);
  await sql`create index audit_entry_by_resource on audit_entry (tenant_id, resource_id, entry_time, id)`.execute(db);
  await sql`create index audit_entry_by_subject on audit_entry (tenant_id, subject, entry_time, id)`.execute(db);
  await sql`create table audit_entry_default partition of audit_entry default`.execute(db);

  // A seal is of the whole service, so it belongs to no tenant and says nothing of what is in the entries.
  await sql`
    create table audit_seal (
      number bigint primary key check (number >= 1),
      last_xid xid8 not null,
      last_id bigint not null,
      entry_ids bigint[] not null check (cardinality(entry_ids) > 0),
      entry_hashes bytea not null check (length(entry_hashes) = 32 * cardinality(entry_ids)),
      previous_hash bytea not null check (length(previous_hash) = 32),
      hash bytea not null check (length(hash) = 32),
      seal_time timestamptz not null
    )`.execute(db);

  await sql`
    create function refuse_audit_log_change() returns trigger language plpgsql as $$
    begin
      raise exception 'the audit log is append-only: % of % is refused', lower(tg_op), tg_table_name
        using errcode = 'insufficient_privilege', hint = 'Entries go only with their partition, when they are past retention.';
    end $$`.execute(db);
  for (const table of ["audit_entry", "audit_seal"]) {
    await sql`
      create trigger append_only before update or delete on ${sql.id(table)}
      for each row execute function refuse_audit_log_change()`.execute(db);
    await sql`revoke update, delete, truncate on ${sql.id(table)} from public`.execute(db);
  }
  // A trigger for truncate is not handed down to partitions: maintainPartitions gives each its own.
  for (const table of ["audit_entry", "audit_entry_default", "audit_seal"]) {
    await sql`
      create trigger append_only_whole before truncate on ${sql.id(table)}
      for each statement execute function refuse_audit_log_change()`.execute(db);
  }
  await isolateTenants(db, ["audit_entry"]);
  await keepForSystem(db, ["audit_seal"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table audit_seal, audit_entry`.execute(db);
  await sql`drop function refuse_audit_log_change`.execute(db);
}
