// Keys that sign, clients, accounts, and the sessions that they have. No secret is here as it was given: passwords are hashed
// by scrypt, random secrets by SHA-256, private keys are encrypted.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table signing_key (
      key_id text collate "C" primary key,
      public_jwk jsonb not null,
      private_sealed bytea not null,
      create_time timestamptz not null,
      -- Signs from here until the next one does. Two keys never begin at the same time: all replicas must choose the same.
      sign_time timestamptz not null unique check (sign_time >= create_time)
    )`.execute(db);
  // Ids are unique among all tenants: at the token endpoint the id is all that is known.
  await sql`
    create table client (
      client_id text collate "C" primary key,
      tenant_id text collate "C" not null,
      title text not null,
      is_public boolean not null,
      roles text[] not null check (roles <@ array['customer', 'operator'] and cardinality(roles) = 1),
      scopes text[] not null,
      rate_limit integer check (rate_limit > 0),
      create_time timestamptz not null,
      check (not is_public or roles = array['customer'])
    )`.execute(db);
  await sql`create index client_by_tenant on client (tenant_id, client_id)`.execute(db);
  await sql`
    create table client_secret (
      secret_hash bytea primary key check (length(secret_hash) = 32),
      client_id text collate "C" not null references client on delete cascade,
      create_time timestamptz not null,
      -- Null for the newest; the ones before end.
      expire_time timestamptz
    )`.execute(db);
  await sql`create unique index client_secret_newest on client_secret (client_id) where expire_time is null`.execute(db);
  await sql`create index client_secret_by_client on client_secret (client_id)`.execute(db);
  await sql`
    create table account (
      tenant_id text collate "C" not null,
      customer_id text collate "C" not null,
      login text collate "C" not null check (login <> ''),
      password_hash text not null check (password_hash like '$scrypt$%'),
      create_time timestamptz not null,
      update_time timestamptz not null,
      primary key (tenant_id, customer_id),
      constraint account_login unique (tenant_id, login)
    )`.execute(db);
  // Logins are hashed here, because many a one that nobody has is a password in the wrong field.
  await sql`
    create table sign_in_attempts (
      tenant_id text collate "C" not null,
      login_hash bytea not null,
      failures integer not null check (failures >= 0),
      last_time timestamptz not null,
      locked_until timestamptz not null,
      primary key (tenant_id, login_hash)
    )`.execute(db);
  await sql`create index sign_in_attempts_by_time on sign_in_attempts (last_time)`.execute(db);
  await sql`
    create table session (
      session_id text collate "C" primary key,
      tenant_id text collate "C" not null,
      client_id text collate "C" not null,
      customer_id text collate "C" not null,
      roles text[] not null,
      scopes text[] not null,
      create_time timestamptz not null,
      expire_time timestamptz not null,
      -- When the last access token that it has given ends.
      access_until timestamptz not null,
      end_time timestamptz
    )`.execute(db);
  await sql`create index session_by_customer on session (tenant_id, customer_id) where end_time is null`.execute(db);
  await sql`create index session_by_client on session (client_id) where end_time is null`.execute(db);
  await sql`create index session_by_expire_time on session (expire_time)`.execute(db);
  await sql`
    create table refresh_token (
      token_hash bytea primary key check (length(token_hash) = 32),
      session_id text collate "C" not null references session on delete cascade,
      create_time timestamptz not null,
      use_time timestamptz
    )`.execute(db);
  // One that can be used, whatever the number of calls at the same time.
  await sql`create unique index refresh_token_usable on refresh_token (session_id) where use_time is null`.execute(db);
  await sql`create index refresh_token_by_session on refresh_token (session_id)`.execute(db);
  await sql`
    create table revocation (
      revoked_id text collate "C" primary key,
      expire_time timestamptz not null
    )`.execute(db);
  await sql`create index revocation_by_expire_time on revocation (expire_time)`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`
    drop table revocation, refresh_token, session, sign_in_attempts, account, client_secret, client, signing_key`.execute(db);
}
