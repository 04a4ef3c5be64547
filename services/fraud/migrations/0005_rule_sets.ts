// Rules have versions, more kinds of conditions, and may be disabled, only watched, or allow. Assessments keep what the rules looked
// at: by it orders are counted, and rules explained and tried again.
import { sql, type Kysely } from "kysely";
import { isolateTenants } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  // Where the owner is no superuser it sees rows of tenants only so.
  await sql`select set_config('ordermesh.system', 'on', true)`.execute(db);
  await widenRules(db);
  await sql`
    create table rule_set (
      tenant_id text not null,
      version integer not null check (version >= 2),
      review_score_min integer not null check (review_score_min >= 1),
      reject_score_min integer not null,
      changed_by text not null,
      create_time timestamptz not null,
      primary key (tenant_id, version),
      constraint scores_in_order check (reject_score_min >= review_score_min)
    )`.execute(db);
  await widenAssessments(db);
  await sql`select set_config('ordermesh.system', '', true)`.execute(db);
  await isolateTenants(db, ["rule_set"]);
}

async function widenRules(db: Kysely<never>): Promise<void> {
  await sql`
    alter table rule
      drop constraint rule_pkey, drop constraint rule_params, drop constraint rule_weight_check,
      add column is_disabled boolean not null default false,
      add column mode text not null default 'ACTIVE' check (mode in ('ACTIVE', 'SHADOW')),
      add column effect text not null default 'ADD',
      add column from_version integer not null default 1 check (from_version >= 1),
      add column until_version integer check (until_version > from_version),
      add primary key (tenant_id, rule_id, from_version),
      add constraint weight_of_effect check (
        case effect when 'ADD' then weight between 1 and 100 when 'ALLOW' then weight = 0 else false end)`.execute(db);
  await sql`update rule set params = params || '{"by": "CUSTOMER"}' where kind = 'velocity'`.execute(db);
  // coalesce, because a check that is null passes.
  await sql`
    alter table rule add constraint rule_params check (coalesce(
      case kind
        when 'bin' then params->>'prefix' ~ '^[0-9]{1,8}$'
        when 'device' then params->>'fingerprint' <> ''
        when 'velocity' then (params->>'windowSeconds')::bigint between 1 and 604800
          and params->>'by' in ('CUSTOMER', 'BIN', 'DEVICE', 'ADDRESS', 'EMAIL')
          and ((params->>'ordersMax')::bigint >= 1) is distinct from (params->'sumMax'->>'currencyCode' ~ '^[A-Z]{3}$')
        when 'amount' then params->>'currencyCode' ~ '^[A-Z]{3}$' and (params->>'minorUnits')::bigint is not null
        when 'country' then jsonb_array_length(params->'countryCodes') >= 1
        when 'postal_code' then params->>'countryCode' ~ '^[A-Z]{2}$' and params->>'prefix' <> ''
        when 'address' then params->>'addressHash' ~ '^[0-9a-f]{64}$'
        when 'email' then params->>'email' like '%@%'
        when 'size' then (params->>'unitsMin')::bigint >= 1 or (params->>'linesMin')::bigint >= 1
        when 'new_customer' then params = '{}'
        when 'list' then params->>'listId' <> ''
        when 'all' then jsonb_array_length(params->'conditions') between 2 and 10
      end, false))`.execute(db);
  await sql`create unique index rule_in_force on rule (tenant_id, rule_id) where until_version is null`.execute(db);
}

async function widenAssessments(db: Kysely<never>): Promise<void> {
  await sql`
    alter table assessment
      drop constraint rules_decide_by_score,
      add column rule_set_version integer not null default 0,
      add column review_score_min integer not null default 50,
      add column reject_score_min integer not null default 100,
      add column card_bin text not null default '',
      add column device_fingerprint text not null default '',
      add column email text not null default '',
      add column address_hash text not null default '',
      add column facts jsonb,
      add column observed jsonb,
      add column erase_time timestamptz,
      add constraint rules_decide_by_score check (
        case
          when score < least(review_score_min, reject_score_min) then state = 'CLEARED' and decider = 'RULES'
          when score < reject_score_min then decider is distinct from 'RULES'
          else state = 'REJECTED' and decider = 'RULES'
        end)`.execute(db);
  // Not by tenant first, as in 0002.
  for (const column of ["card_bin", "device_fingerprint", "email", "address_hash"]) {
    await sql`
      create index ${sql.raw(`assessment_by_${column}`)} on assessment (${sql.ref(column)}, tenant_id, place_time)
      where ${sql.ref(column)} <> ''`.execute(db);
  }
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table rule_set`.execute(db);
  await sql`select set_config('ordermesh.system', 'on', true)`.execute(db);
  // What the older version cannot mean must not be left to it.
  await sql`
    delete from rule where until_version is not null or is_disabled or mode <> 'ACTIVE' or effect <> 'ADD'
      or kind not in ('bin', 'device', 'velocity', 'amount')
      or (kind = 'velocity' and (params->>'by' <> 'CUSTOMER' or not params ? 'ordersMax'))`.execute(db);
  await sql`select set_config('ordermesh.system', '', true)`.execute(db);
  await sql`drop index rule_in_force`.execute(db);
  await sql`
    alter table rule
      drop constraint rule_pkey, drop constraint rule_params, drop constraint weight_of_effect,
      drop column is_disabled, drop column mode, drop column effect, drop column from_version, drop column until_version,
      add primary key (tenant_id, rule_id),
      add constraint rule_weight_check check (weight between 1 and 100),
      add constraint rule_params check (coalesce(
        case kind
          when 'bin' then params->>'prefix' ~ '^[0-9]{1,8}$'
          when 'device' then params->>'fingerprint' <> ''
          when 'velocity' then (params->>'ordersMax')::bigint >= 1 and (params->>'windowSeconds')::bigint between 1 and 604800
          when 'amount' then params->>'currencyCode' ~ '^[A-Z]{3}$' and (params->>'minorUnits')::bigint is not null
        end, false))`.execute(db);
  await sql`
    alter table assessment
      drop constraint rules_decide_by_score,
      drop column rule_set_version, drop column review_score_min, drop column reject_score_min, drop column card_bin,
      drop column device_fingerprint, drop column email, drop column address_hash, drop column facts, drop column observed,
      drop column erase_time,
      add constraint rules_decide_by_score check (
        case
          when score < 50 then state = 'CLEARED' and decider = 'RULES'
          when score < 100 then decider is distinct from 'RULES'
          else state = 'REJECTED' and decider = 'RULES'
        end) not valid`.execute(db);
}
