// Rules as data, one assessment an order, and the orders that ended before they could be assessed.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table rule (
      tenant_id text not null,
      rule_id text collate "C" not null,
      description text not null check (description <> ''),
      weight integer not null check (weight between 1 and 100),
      kind text not null,
      params jsonb not null,
      create_time timestamptz not null,
      primary key (tenant_id, rule_id),
      -- coalesce, because a check that is null passes.
      constraint rule_params check (coalesce(
        case kind
          when 'bin' then params->>'prefix' ~ '^[0-9]{1,8}$'
          when 'device' then params->>'fingerprint' <> ''
          when 'velocity' then (params->>'ordersMax')::bigint >= 1 and (params->>'windowSeconds')::bigint between 1 and 604800
          when 'amount' then params->>'currencyCode' ~ '^[A-Z]{3}$' and (params->>'minorUnits')::bigint is not null
        end, false))
    )`.execute(db);

  await sql`
    create table assessment (
      tenant_id text not null,
      order_id text collate "C" not null,
      order_event_id text not null,
      customer_id text not null,
      state text not null check (state in ('CLEARED', 'REVIEW', 'REJECTED')),
      score integer not null check (score >= 0),
      matches jsonb not null check (jsonb_typeof(matches) = 'array'),
      currency_code text not null check (currency_code ~ '^[A-Z]{3}$'),
      total_minor_units bigint not null,
      place_time timestamptz not null,
      create_time timestamptz not null,
      decider text check (decider in ('RULES', 'PERSON', 'CANCELLATION')),
      decided_by text not null,
      decision_note text not null,
      decide_time timestamptz,
      event_count bigint not null,
      primary key (tenant_id, order_id),
      constraint open_while_in_review check ((state = 'REVIEW') = (decider is null) and (decider is null) = (decide_time is null)),
      constraint rules_decide_by_score check (
        case
          when score < 50 then state = 'CLEARED' and decider = 'RULES'
          when score < 100 then decider is distinct from 'RULES'
          else state = 'REJECTED' and decider = 'RULES'
        end),
      constraint a_cancelled_order_is_not_cleared check (decider is distinct from 'CANCELLATION' or state = 'REJECTED'),
      constraint a_person_has_a_name check ((decider is not distinct from 'PERSON') = (decided_by <> '')),
      constraint one_event_a_decision check (event_count = case when decider is not distinct from 'PERSON' then 2 else 1 end)
    )`.execute(db);
  await sql`create index assessment_by_state on assessment (tenant_id, state, order_id desc)`.execute(db);
  await sql`create index assessment_by_customer on assessment (tenant_id, customer_id, place_time)`.execute(db);

  await sql`
    create table cancelled_order (
      tenant_id text not null,
      order_id text not null,
      cancel_time timestamptz not null,
      primary key (tenant_id, order_id)
    )`.execute(db);

  await seedRules(db);
}

/** Ids are fixed, so that a demonstration and its documents can name them. */
async function seedRules(db: Kysely<never>): Promise<void> {
  await sql`
    insert into rule (tenant_id, rule_id, description, weight, kind, params, create_time)
    select 'demo', rule_id, description, weight, kind, params::jsonb, '2026-01-01T00:00:00Z'
    from (values
      ('rule_01kdvdna00e008000000000001', 'known stolen range', 100, 'bin', '{"prefix": "400000"}'),
      ('rule_01kdvdna00e008000000000002', 'device reported stolen', 100, 'device', '{"fingerprint": "stolen-device"}'),
      ('rule_01kdvdna00e008000000000003', 'large order in USD', 60, 'amount', '{"currencyCode": "USD", "minorUnits": 500000}'),
      ('rule_01kdvdna00e008000000000004', 'large order in EUR', 60, 'amount', '{"currencyCode": "EUR", "minorUnits": 500000}'),
      ('rule_01kdvdna00e008000000000005', 'large order in GBP', 60, 'amount', '{"currencyCode": "GBP", "minorUnits": 500000}'),
      ('rule_01kdvdna00e008000000000006', 'large order in JPY', 60, 'amount', '{"currencyCode": "JPY", "minorUnits": 700000}'),
      ('rule_01kdvdna00e008000000000007', 'unusually many orders', 60, 'velocity', '{"ordersMax": 20, "windowSeconds": 600}')
    ) as seed (rule_id, description, weight, kind, params)`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table cancelled_order, assessment, rule`.execute(db);
}
