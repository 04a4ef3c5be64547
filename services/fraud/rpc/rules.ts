// Reading and changing the rules.
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { Kysely } from "kysely";
import { RuleSchema } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import type { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { newId } from "#runtime/ids.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { deleteRule, findPrepared, insertRule, rulesOf } from "../store/rules.ts";
import type { Tables } from "../store/tables.ts";
import { conditionOfMessage, ruleMessage } from "./messages.ts";

/** Every order is held against every rule. */
const rulesMax = 500;

/** Refuses where the tenant is about to get the rules that a shop begins with. */
async function assertReady(db: Kysely<Tables>, tenant: string): Promise<void> {
  if ((await findPrepared(db, [tenant])).has(tenant)) return;
  const message = `the shop ${tenant} has no rules yet: try again in a moment`;
  throw refuse(Code.FailedPrecondition, "TENANT_NOT_READY", message, { tenant });
}

const resourceOf = (id: string) => ({ kind: "rule", id });

type Methods = Pick<ServiceImpl<typeof FraudService>, "listRules" | "createRule" | "deleteRule">;

export function ruleMethods(runtime: ServiceRuntime<Tables>): Methods {
  return {
    listRules: async () => {
      const { tenant } = currentRequest();
      const rules = (await rulesOf(runtime.db, [tenant])).get(tenant) ?? [];
      if (rules.length === 0) await assertReady(runtime.db, tenant);
      return { rules: rules.map(ruleMessage) };
    },

    createRule: async ({ rule: wanted }) => {
      if (!wanted) throw new Error("a request without a rule passed validation");
      const { tenant } = currentRequest();
      await assertReady(runtime.db, tenant);
      const { description, weight } = wanted;
      const condition = conditionOfMessage(wanted);
      const rule = { ruleId: newId("rule"), description, weight, condition, createTime: runtime.clock.now() };
      const isInserted = await runtime.transaction(async (tx) => {
        if (!(await insertRule(tx, { tenant, rule, rulesMax }))) return false;
        await recordChange(tx, { resource: resourceOf(rule.ruleId), after: shown(RuleSchema, ruleMessage(rule)) });
        return true;
      });
      if (!isInserted) {
        throw refuse(Code.ResourceExhausted, "TOO_MANY_RULES", `there are ${rulesMax} rules already, delete one first`, {
          rulesMax: String(rulesMax),
        });
      }
      return { rule: ruleMessage(rule) };
    },

    deleteRule: async ({ ruleId }) => {
      const { tenant } = currentRequest();
      const deleted = await runtime.transaction(async (tx) => {
        const rule = await deleteRule(tx, tenant, ruleId);
        if (rule) await recordChange(tx, { resource: resourceOf(ruleId), before: shown(RuleSchema, ruleMessage(rule)) });
        return rule;
      });
      if (!deleted) throw refuse(Code.NotFound, "RULE_NOT_FOUND", `there is no rule ${ruleId}`, { ruleId });
      return {};
    },
  };
}
