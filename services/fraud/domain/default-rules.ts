// The rules by which a new shop's orders are screened until it changes them. The first migration has given the same to the shop
// "demo". Their ids are the same in every shop, so that documents can name them.
import type { Condition } from "./conditions.ts";
import type { Rule } from "./rules.ts";

const rule = (ruleId: string, description: string, weight: number, condition: Condition): Rule => ({
  ruleId,
  description,
  weight,
  condition,
  isDisabled: false,
  mode: "ACTIVE",
  effect: "ADD",
});

const large = (ruleId: string, currencyCode: string, minorUnits: number): Rule =>
  rule(ruleId, `large order in ${currencyCode}`, 60, { kind: "amount", atLeast: { currencyCode, minorUnits } });

export const defaultRules: readonly Rule[] = [
  rule("rule_01kdvdna00e008000000000001", "known stolen range", 100, { kind: "bin", prefix: "400000" }),
  rule("rule_01kdvdna00e008000000000002", "device reported stolen", 100, { kind: "device", fingerprint: "stolen-device" }),
  large("rule_01kdvdna00e008000000000003", "USD", 500_000),
  large("rule_01kdvdna00e008000000000004", "EUR", 500_000),
  large("rule_01kdvdna00e008000000000005", "GBP", 500_000),
  large("rule_01kdvdna00e008000000000006", "JPY", 700_000),
  rule("rule_01kdvdna00e008000000000007", "unusually many orders", 60, {
    kind: "velocity",
    by: "CUSTOMER",
    ordersMax: 20,
    windowSeconds: 600,
  }),
];
