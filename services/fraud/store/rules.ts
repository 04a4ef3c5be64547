// The SQL of rules and rule sets.
import { sql, type Kysely, type Selectable, type Transaction } from "kysely";
import type { Condition } from "../domain/conditions.ts";
import type { Policy, Rule, RuleSet } from "../domain/rules.ts";
import type { Tables } from "./tables.ts";

export interface StoredRule extends Rule {
  createTime: Date;
}

export interface StoredRuleSet extends RuleSet {
  rules: readonly StoredRule[];
  /** Empty, and createTime null, of version 1. */
  changedBy: string;
  createTime: Date | null;
}

type RuleRow = Pick<
  Selectable<Tables["rule"]>,
  "rule_id" | "description" | "weight" | "kind" | "params" | "is_disabled" | "mode" | "effect" | "create_time"
>;

const ruleOfRow = (row: RuleRow): StoredRule => ({
  ruleId: row.rule_id,
  description: row.description,
  weight: row.weight,
  condition: conditionOf(row),
  isDisabled: row.is_disabled,
  mode: row.mode,
  effect: row.effect,
  createTime: row.create_time,
});

/** The parameters of an amount are the amount itself; of all others what the condition has besides its kind. */
function conditionOf({ kind, params }: Pick<RuleRow, "kind" | "params">): Condition {
  const stored = kind === "amount" ? { kind, atLeast: params } : { kind, ...(params as object) };
  // The table's check holds the shape of params, and nobody but paramsOf writes them.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return stored as Condition;
}

function paramsOf(condition: Condition): object {
  if (condition.kind === "amount") return condition.atLeast;
  const { kind: _kind, ...params } = condition;
  return params;
}

interface RuleSetRow extends Omit<RuleRow, "rule_id" | "create_time"> {
  tenant: string;
  version: number;
  review_score_min: number;
  reject_score_min: number;
  review_seconds: number;
  at_deadline: Policy["atDeadline"];
  changed_by: string;
  set_time: Date | null;
  /** Null, as all of the rule, of a set without rules. */
  rule_id: string | null;
  create_time: Date | null;
}

const policyColumns = sql`review_score_min, reject_score_min, review_seconds, at_deadline`;
/** What version 1 has, which stands nowhere: the policy where a shop has said nothing. */
const firstPolicy = (policy: Policy) => sql`
  ${policy.reviewScoreMin}::integer, ${policy.rejectScoreMin}::integer, ${policy.reviewSeconds}::integer, ${policy.atDeadline}`;

const ruleColumns = sql`rule.rule_id, rule.description, rule.weight, rule.kind, rule.params, rule.is_disabled, rule.mode,
  rule.effect, rule.create_time`;

/** The rule sets in force of the tenants, read at one moment, each with its rules, the oldest first. */
export async function ruleSetsOf(
  db: Kysely<Tables>,
  { tenants, first }: { tenants: readonly string[]; first: Policy },
): Promise<Map<string, StoredRuleSet>> {
  const { rows } = await sql<RuleSetRow>`
    select wanted.tenant, latest.version, ${policyColumns}, latest.changed_by, latest.set_time, ${ruleColumns}
    from unnest(${[...tenants]}::text[]) as wanted (tenant)
    cross join lateral (
      (select version, ${policyColumns}, changed_by, create_time from rule_set
       where tenant_id = wanted.tenant order by version desc limit 1)
      union all
      (select 1, ${firstPolicy(first)}, '', null)
      order by version desc limit 1
    ) as latest (version, ${policyColumns}, changed_by, set_time)
    left join rule on rule.tenant_id = wanted.tenant and rule.until_version is null
    order by wanted.tenant, rule.rule_id`.execute(db);
  return new Map([...Map.groupBy(rows, ({ tenant }) => tenant)].flatMap(([tenant, own]) => [[tenant, ruleSetOf(own)] as const]));
}

/** The rule set of a version; undefined where there was none. */
export async function findRuleSet(
  db: Kysely<Tables>,
  { tenant, version, first }: { tenant: string; version: number; first: Policy },
): Promise<StoredRuleSet | undefined> {
  const { rows } = await sql<RuleSetRow>`
    select ${tenant} as tenant, chosen.version, ${policyColumns}, chosen.changed_by, chosen.set_time, ${ruleColumns}
    from (
      select version, ${policyColumns}, changed_by, create_time from rule_set
      where tenant_id = ${tenant} and version = ${version}
      union all
      select 1, ${firstPolicy(first)}, '', null where ${version} = 1
    ) as chosen (version, ${policyColumns}, changed_by, set_time)
    left join rule on rule.tenant_id = ${tenant} and rule.from_version <= chosen.version
      and (rule.until_version is null or rule.until_version > chosen.version)
    order by rule.rule_id`.execute(db);
  return rows.length === 0 ? undefined : ruleSetOf(rows);
}

function ruleSetOf(rows: readonly RuleSetRow[]): StoredRuleSet {
  const [row] = rows;
  if (!row) throw new Error("a rule set was read without a row");
  return {
    version: row.version,
    policy: {
      reviewScoreMin: row.review_score_min,
      rejectScoreMin: row.reject_score_min,
      reviewSeconds: row.review_seconds,
      atDeadline: row.at_deadline,
    },
    changedBy: row.changed_by,
    createTime: row.set_time,
    rules: rows.flatMap(({ rule_id, create_time, ...rule }) =>
      rule_id !== null && create_time !== null ? [ruleOfRow({ ...rule, rule_id, create_time })] : [],
    ),
  };
}

/** Lets only one transaction at a time change the rules of a tenant, or the lists to which they refer. */
export async function lockRules(tx: Transaction<Tables>, tenant: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('fraud.rules:' || ${tenant}, 0))`.execute(tx);
}

/** Begins the version after the given one. The caller has locked the rules. */
export async function beginVersion(
  tx: Transaction<Tables>,
  set: { tenant: string; version: number; policy: Policy; changedBy: string; now: Date },
): Promise<void> {
  const { tenant, version, policy, changedBy, now } = set;
  await tx
    .insertInto("rule_set")
    .values({
      tenant_id: tenant,
      version,
      review_score_min: policy.reviewScoreMin,
      reject_score_min: policy.rejectScoreMin,
      review_seconds: policy.reviewSeconds,
      at_deadline: policy.atDeadline,
      changed_by: changedBy,
      create_time: now,
    })
    .execute();
}

export async function insertRule(
  tx: Transaction<Tables>,
  { tenant, rule, version }: { tenant: string; rule: StoredRule; version: number },
): Promise<void> {
  await tx
    .insertInto("rule")
    .values({
      tenant_id: tenant,
      rule_id: rule.ruleId,
      description: rule.description,
      weight: rule.weight,
      kind: rule.condition.kind,
      params: JSON.stringify(paramsOf(rule.condition)),
      create_time: rule.createTime,
      is_disabled: rule.isDisabled,
      mode: rule.mode,
      effect: rule.effect,
      from_version: version,
      until_version: null,
    })
    .execute();
}

/** From the given version on the rule is not in force any more. Earlier versions keep it. */
export async function endRule(
  tx: Transaction<Tables>,
  { tenant, ruleId, version }: { tenant: string; ruleId: string; version: number },
): Promise<void> {
  await tx
    .updateTable("rule")
    .set({ until_version: version })
    .where("tenant_id", "=", tenant)
    .where("rule_id", "=", ruleId)
    .where("until_version", "is", null)
    .execute();
}

/** Gives a tenant the rules that it begins with; once, so that one which it has deleted does not come back. */
export async function prepareRules(
  tx: Transaction<Tables>,
  { tenant, rules, now }: { tenant: string; rules: readonly Rule[]; now: Date },
): Promise<void> {
  await sql`
    with prepared as (
      insert into prepared_tenant (tenant_id, prepare_time) values (${tenant}, ${now}) on conflict do nothing returning tenant_id
    )
    insert into rule (tenant_id, rule_id, description, weight, kind, params, create_time)
    select tenant_id, rule.*, ${now}::timestamptz from prepared, unnest(
      ${rules.map(({ ruleId }) => ruleId)}::text[],
      ${rules.map(({ description }) => description)}::text[],
      ${rules.map(({ weight }) => weight)}::integer[],
      ${rules.map(({ condition }) => condition.kind)}::text[],
      ${rules.map(({ condition }) => JSON.stringify(paramsOf(condition)))}::jsonb[]
    ) as rule
    on conflict do nothing`.execute(tx);
}

/** Of these tenants, those that have been given rules, which they may have deleted since. */
export async function findPrepared(db: Kysely<Tables>, tenants: readonly string[]): Promise<Set<string>> {
  const read = await sql<{ tenant: string }>`
    select tenant_id as tenant from prepared_tenant where tenant_id = any(${[...tenants]})`.execute(db);
  return new Set(read.rows.map(({ tenant }) => tenant));
}
