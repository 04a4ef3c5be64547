// The SQL of rules.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Condition, Money, Rule } from "../domain/rules.ts";
import type { Tables } from "./tables.ts";

export interface StoredRule extends Rule {
  createTime: Date;
}

/** A condition as it is stored; the table's check holds the shape of params. */
type StoredCondition =
  | { kind: "bin"; params: { prefix: string } }
  | { kind: "device"; params: { fingerprint: string } }
  | { kind: "velocity"; params: { ordersMax: number; windowSeconds: number } }
  | { kind: "amount"; params: Money };

type RuleRow = StoredCondition & { tenant: string; ruleId: string; description: string; weight: number; createTime: Date };

const ruleColumns = sql`
  tenant_id as tenant, rule_id as "ruleId", description, weight, kind, params, create_time as "createTime"`;

const ruleOfRow = (row: RuleRow): StoredRule => ({
  ruleId: row.ruleId,
  description: row.description,
  weight: row.weight,
  condition: conditionOf(row),
  createTime: row.createTime,
});

function conditionOf(stored: StoredCondition): Condition {
  switch (stored.kind) {
    case "bin":
      return { kind: "bin", prefix: stored.params.prefix };
    case "device":
      return { kind: "device", fingerprint: stored.params.fingerprint };
    case "velocity":
      return { kind: "velocity", ordersMax: stored.params.ordersMax, windowSeconds: stored.params.windowSeconds };
    case "amount":
      return { kind: "amount", atLeast: stored.params };
  }
}

function paramsOf(condition: Condition): object {
  if (condition.kind === "amount") return condition.atLeast;
  const { kind: _kind, ...params } = condition;
  return params;
}

/** All rules of the tenants, the oldest first. */
export async function rulesOf(db: Kysely<Tables>, tenants: readonly string[]): Promise<Map<string, StoredRule[]>> {
  const { rows } = await sql<RuleRow>`
    select ${ruleColumns} from rule where tenant_id = any(${[...tenants]}) order by tenant_id, rule_id`.execute(db);
  return new Map([...Map.groupBy(rows, ({ tenant }) => tenant)].map(([tenant, ofTenant]) => [tenant, ofTenant.map(ruleOfRow)]));
}

/** False where the tenant has as many rules as it may have. */
export async function insertRule(
  tx: Transaction<Tables>,
  { tenant, rule, rulesMax }: { tenant: string; rule: StoredRule; rulesMax: number },
): Promise<boolean> {
  // Without the lock two inserts would both find the last place free.
  await sql`select pg_advisory_xact_lock(hashtextextended('fraud.rules:' || ${tenant}, 0))`.execute(tx);
  const { rows } = await sql`
    insert into rule (tenant_id, rule_id, description, weight, kind, params, create_time)
    select ${tenant}, ${rule.ruleId}, ${rule.description}, ${rule.weight}::integer, ${rule.condition.kind},
           ${JSON.stringify(paramsOf(rule.condition))}::jsonb, ${rule.createTime}::timestamptz
    where (select count(*) from rule where tenant_id = ${tenant}) < ${rulesMax}
    returning rule_id`.execute(tx);
  return rows.length === 1;
}

/** The rule that was deleted; undefined where there is none. */
export async function deleteRule(tx: Transaction<Tables>, tenant: string, ruleId: string): Promise<StoredRule | undefined> {
  const { rows } = await sql<RuleRow>`
    delete from rule where tenant_id = ${tenant} and rule_id = ${ruleId} returning ${ruleColumns}`.execute(tx);
  return rows[0] && ruleOfRow(rows[0]);
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
