// Reading and changing the rules and the policy. Every change makes a version of the rule set.
import { isDeepStrictEqual } from "node:util";
import { Code, type ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { Kysely, Transaction } from "kysely";
import { FraudPolicySchema, RuleSchema } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import type { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { actingSubject } from "#runtime/access/authorize.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { newId } from "#runtime/ids.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { defaultPolicy, listIdsOf, type Policy, type Rule } from "../domain/rules.ts";
import { kindsOf } from "../store/lists.ts";
import {
  beginVersion,
  endRule,
  findPrepared,
  findRuleSet,
  insertRule,
  lockRules,
  ruleSetsOf,
  type StoredRule,
  type StoredRuleSet,
} from "../store/rules.ts";
import type { Tables } from "../store/tables.ts";
import { listNotFound } from "./lists.ts";
import { policyMessage, policyOfMessage, ruleMessage, ruleOfMessage, ruleSetMessage } from "./rule-messages.ts";

/** Every order is held against every rule. */
export const rulesMax = 500;

type Methods = Pick<
  ServiceImpl<typeof FraudService>,
  "listRules" | "createRule" | "updateRule" | "deleteRule" | "getRuleSet" | "updatePolicy"
>;

export function ruleMethods(runtime: ServiceRuntime<Tables>): Methods {
  const { db, clock } = runtime;

  /** One change after the other, and each against the rule set that the one before has left. */
  const change = async (work: (tx: Transaction<Tables>, set: Change) => Promise<void>): Promise<void> => {
    const { tenant } = currentRequest();
    await assertReady(db, tenant);
    await runtime.transaction(async (tx) => {
      await lockRules(tx, tenant);
      const inForce = await ruleSetInForce(tx, tenant);
      const version = inForce.version + 1;
      const begin = (policy: Policy) =>
        beginVersion(tx, { tenant, version, policy, changedBy: actingSubject(), now: clock.now() });
      await work(tx, { tenant, inForce, version, begin });
    });
  };

  return {
    listRules: async () => {
      const { tenant } = currentRequest();
      const { rules } = await ruleSetInForce(db, tenant);
      if (rules.length === 0) await assertReady(db, tenant);
      return { rules: rules.map(ruleMessage) };
    },

    createRule: async ({ rule: wanted }) => {
      if (!wanted) throw new Error("a request without a rule passed validation");
      const rule: StoredRule = { ...ruleOfMessage(wanted), ruleId: newId("rule"), createTime: clock.now() };
      await change(async (tx, { tenant, inForce, version, begin }) => {
        if (inForce.rules.length >= rulesMax) throw tooManyRules();
        await assertListsExist(tx, tenant, rule);
        await begin(inForce.policy);
        await insertRule(tx, { tenant, rule, version });
        await recordChange(tx, { resource: resourceOf(rule.ruleId), after: shownIn(version, rule) });
      });
      return { rule: ruleMessage(rule) };
    },

    updateRule: async ({ ruleId, rule: wanted }) => {
      if (!wanted) throw new Error("a request without a rule passed validation");
      let answer: StoredRule | undefined;
      await change(async (tx, { tenant, inForce, version, begin }) => {
        const before = ruleOf(inForce, ruleId);
        const rule: StoredRule = { ...ruleOfMessage(wanted), ruleId, createTime: before.createTime };
        answer = rule;
        if (isDeepStrictEqual(ruleMessage(rule), ruleMessage(before))) return;
        await assertListsExist(tx, tenant, rule);
        await begin(inForce.policy);
        await endRule(tx, { tenant, ruleId, version });
        await insertRule(tx, { tenant, rule, version });
        const sides = { before: shownIn(inForce.version, before), after: shownIn(version, rule) };
        await recordChange(tx, { resource: resourceOf(ruleId), ...sides });
      });
      return answer ? { rule: ruleMessage(answer) } : {};
    },

    deleteRule: async ({ ruleId }) => {
      await change(async (tx, { tenant, inForce, version, begin }) => {
        const rule = ruleOf(inForce, ruleId);
        await begin(inForce.policy);
        await endRule(tx, { tenant, ruleId, version });
        await recordChange(tx, { resource: resourceOf(ruleId), before: shownIn(inForce.version, rule) });
      });
      return {};
    },

    getRuleSet: async ({ version }) => {
      const { tenant } = currentRequest();
      await assertReady(db, tenant);
      const ruleSet =
        version === 0 ? await ruleSetInForce(db, tenant) : await findRuleSet(db, { tenant, version, first: defaultPolicy });
      if (!ruleSet) throw ruleSetNotFound(version);
      return { ruleSet: ruleSetMessage(ruleSet) };
    },

    updatePolicy: async ({ policy: wanted }) => {
      if (!wanted) throw new Error("a request without a policy passed validation");
      const policy = policyOfMessage(wanted);
      await change(async (tx, { tenant, inForce, begin }) => {
        if (isDeepStrictEqual(policy, inForce.policy)) return;
        await begin(policy);
        await recordChange(tx, {
          resource: { kind: "fraud_policy", id: tenant },
          before: shown(FraudPolicySchema, policyMessage(inForce.policy)),
          after: shown(FraudPolicySchema, policyMessage(policy)),
        });
      });
      return { policy: policyMessage(policy) };
    },
  };
}

interface Change {
  tenant: string;
  inForce: StoredRuleSet;
  /** Of the rule set that the change makes. */
  version: number;
  /** Begins it. */
  begin(policy: Policy): Promise<void>;
}

export async function ruleSetInForce(db: Kysely<Tables>, tenant: string): Promise<StoredRuleSet> {
  const ruleSet = (await ruleSetsOf(db, { tenants: [tenant], first: defaultPolicy })).get(tenant);
  if (!ruleSet) throw new Error(`no rule set was read for tenant ${tenant}`);
  return ruleSet;
}

/** Refuses where the tenant is about to get the rules that a shop begins with. */
export async function assertReady(db: Kysely<Tables>, tenant: string): Promise<void> {
  if ((await findPrepared(db, [tenant])).has(tenant)) return;
  const message = `the shop ${tenant} has no rules yet: try again in a moment`;
  throw refuse(Code.FailedPrecondition, "TENANT_NOT_READY", message, { tenant });
}

export async function assertListsExist(db: Kysely<Tables>, tenant: string, rule: Pick<Rule, "condition">): Promise<void> {
  const wanted = listIdsOf(rule).map((listId) => ({ tenant, listId }));
  if (wanted.length === 0) return;
  const known = new Set((await kindsOf(db, wanted)).map(({ listId }) => listId));
  for (const { listId } of wanted) if (!known.has(listId)) throw listNotFound(listId);
}

function ruleOf({ rules }: StoredRuleSet, ruleId: string): StoredRule {
  const rule = rules.find((candidate) => candidate.ruleId === ruleId);
  if (!rule) throw ruleNotFound(ruleId);
  return rule;
}

/** The version is with it, because what has changed may be a field that is not to be told. */
const shownIn = (version: number, rule: StoredRule) => ({ ...shown(RuleSchema, ruleMessage(rule)), ruleSetVersion: version });

export const ruleNotFound = (ruleId: string): ConnectError =>
  refuse(Code.NotFound, "RULE_NOT_FOUND", `there is no rule ${ruleId}`, { ruleId });

const resourceOf = (id: string) => ({ kind: "rule", id });

export const tooManyRules = (): ConnectError =>
  refuse(Code.ResourceExhausted, "TOO_MANY_RULES", `there are ${rulesMax} rules already, delete one first`, {
    rulesMax: String(rulesMax),
  });

const ruleSetNotFound = (version: number): ConnectError =>
  refuse(Code.NotFound, "RULE_SET_NOT_FOUND", `there is no version ${version} of the rule set yet`, { version: String(version) });
