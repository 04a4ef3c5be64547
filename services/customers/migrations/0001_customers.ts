// Customers, their addresses, and each change of a consent.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

const tables = ["customer", "address", "address_request", "consent"];

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table customer (
      tenant_id text collate "C" not null,
      customer_id text collate "C" not null,
      display_name text not null default '',
      given_name text not null default '',
      family_name text not null default '',
      email text not null default '',
      phone text not null default '',
      locale text not null default '',
      version integer not null default 1,
      -- Count the records of consents and the events that were made so far.
      consents integer not null default 0 check (consents >= 0),
      events_sent integer not null default 0 check (events_sent >= 0),
      create_time timestamptz not null,
      update_time timestamptz not null,
      erase_time timestamptz,
      erase_reason text,
      erase_check_time timestamptz,
      erase_done_time timestamptz,
      -- What services still kept when they were last asked.
      erase_waits_for jsonb not null default '[]',
      primary key (tenant_id, customer_id),
      constraint nothing_left_of_the_erased check (
        erase_time is null
        or (display_name = '' and given_name = '' and family_name = '' and email = '' and phone = '' and locale = '')),
      constraint erased_for_a_reason check ((erase_time is null) = (erase_reason is null)),
      constraint done_after_begun check (erase_done_time is null or erase_time is not null)
    )`.execute(db);
  await sql`create index customer_by_email on customer (email, tenant_id, customer_id) where email <> ''`.execute(db);
  await sql`
    create table address (
      tenant_id text collate "C" not null,
      customer_id text collate "C" not null,
      address_id text collate "C" not null,
      label text not null,
      content json not null,
      default_shipping boolean not null,
      default_billing boolean not null,
      version integer not null default 1,
      create_time timestamptz not null,
      update_time timestamptz not null,
      primary key (tenant_id, customer_id, address_id),
      foreign key (tenant_id, customer_id) references customer
    )`.execute(db);
  await sql`
    create unique index address_default_shipping on address (customer_id, tenant_id) where default_shipping`.execute(db);
  await sql`
    create unique index address_default_billing on address (customer_id, tenant_id) where default_billing`.execute(db);
  // Which request made which address. It outlives the address: a repeat does not make it again.
  await sql`
    create table address_request (
      tenant_id text collate "C" not null,
      customer_id text collate "C" not null,
      request_id text collate "C" not null,
      content_hash bytea not null,
      address_id text not null,
      primary key (tenant_id, customer_id, request_id),
      foreign key (tenant_id, customer_id) references customer
    )`.execute(db);
  await sql`
    create table consent (
      tenant_id text collate "C" not null,
      customer_id text collate "C" not null,
      sequence integer not null check (sequence >= 1),
      consent_id text not null,
      purpose text collate "C" not null,
      granted boolean not null,
      text_version text not null,
      change_time timestamptz not null,
      changed_by text not null,
      client_id text not null,
      peer text not null,
      primary key (tenant_id, customer_id, sequence),
      foreign key (tenant_id, customer_id) references customer,
      constraint a_grant_names_its_text check (not granted or text_version <> '')
    )`.execute(db);
  await sql`create index consent_by_purpose on consent (customer_id, tenant_id, purpose, sequence desc)`.execute(db);
  await sql`
    create function refuse_consent_change() returns trigger language plpgsql as $$
    begin
      if tg_op = 'DELETE' and exists (
        select from customer
        where customer.tenant_id = old.tenant_id and customer.customer_id = old.customer_id and erase_time is not null
      ) then return old; end if;
      raise exception 'consents are only added to';
    end $$`.execute(db);
  await sql`
    create trigger consent_only_added before update or delete on consent
    for each row execute function refuse_consent_change()`.execute(db);
  await sql`
    create trigger consent_not_truncated before truncate on consent
    for each statement execute function refuse_consent_change()`.execute(db);
  await isolateTenants(db, tables);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, tables);
  await sql`drop table consent, address_request, address, customer`.execute(db);
  await sql`drop function refuse_consent_change`.execute(db);
}
