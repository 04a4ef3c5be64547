// Between the contract's conditions and the domain's.
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  VelocityBy as By,
  type Condition as ConditionMessage,
  type ConditionSchema,
  type Rule as RuleMessage,
  type RuleSchema,
  type VelocityCondition,
} from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import type { Money as MoneyMessage } from "#gen/ordermesh/type/v1/money_pb.ts";
import type { Condition, SimpleCondition, Velocity } from "../domain/conditions.ts";
import { emailForm, postalCodeForm, type Money, type VelocityBy } from "../domain/order.ts";

const byMessages = {
  CUSTOMER: By.CUSTOMER,
  BIN: By.BIN,
  DEVICE: By.DEVICE,
  ADDRESS: By.ADDRESS,
  EMAIL: By.EMAIL,
} as const satisfies Record<VelocityBy, By>;

const everyBy = ["CUSTOMER", "BIN", "DEVICE", "ADDRESS", "EMAIL"] as const satisfies VelocityBy[];
const byOfMessage = (message: By): VelocityBy => everyBy.find((by) => byMessages[by] === message) ?? "CUSTOMER";

export const moneyMessage = ({ currencyCode, minorUnits }: Money) => ({ currencyCode, minorUnits: BigInt(minorUnits) });
const moneyOf = ({ currencyCode, minorUnits }: MoneyMessage): Money => ({ currencyCode, minorUnits: Number(minorUnits) });

type KindMessage = NonNullable<MessageInitShape<typeof ConditionSchema>["kind"]>;

export function conditionMessage(condition: Condition): NonNullable<MessageInitShape<typeof RuleSchema>["condition"]> {
  if (condition.kind !== "all") return kindMessage(condition);
  return { case: "all", value: { conditions: condition.conditions.map((part) => ({ kind: kindMessage(part) })) } };
}

function kindMessage(condition: SimpleCondition): KindMessage {
  switch (condition.kind) {
    case "bin":
      return { case: "bin", value: { prefix: condition.prefix } };
    case "device":
      return { case: "device", value: { fingerprint: condition.fingerprint } };
    case "velocity": {
      const about = { by: byMessages[condition.by], windowSeconds: condition.windowSeconds };
      if ("ordersMax" in condition) return { case: "velocity", value: { ...about, ordersMax: condition.ordersMax } };
      return { case: "velocity", value: { ...about, sumMax: moneyMessage(condition.sumMax) } };
    }
    case "amount":
      return { case: "amount", value: { atLeast: moneyMessage(condition.atLeast) } };
    case "country":
      return { case: "country", value: { countryCodes: condition.countryCodes } };
    case "postal_code":
      return { case: "postalCode", value: { countryCode: condition.countryCode, prefix: condition.prefix } };
    case "address":
      return { case: "address", value: { addressHash: condition.addressHash } };
    case "email":
      return { case: "email", value: { email: condition.email } };
    case "size":
      return { case: "size", value: { unitsMin: BigInt(condition.unitsMin), linesMin: condition.linesMin } };
    case "new_customer":
      return { case: "newCustomer", value: {} };
    case "list":
      return { case: "list", value: { listId: condition.listId } };
  }
}

/** The contract's rules have seen to it that there is one. */
export function conditionOfMessage({ condition }: RuleMessage): Condition {
  if (condition.case === "all") return { kind: "all", conditions: condition.value.conditions.map(({ kind }) => kindOf(kind)) };
  return kindOf(condition);
}

function kindOf(kind: ConditionMessage["kind"]): SimpleCondition {
  switch (kind.case) {
    case "bin":
      return { kind: "bin", prefix: kind.value.prefix };
    case "device":
      return { kind: "device", fingerprint: kind.value.fingerprint };
    case "velocity":
      return { kind: "velocity", ...velocityOf(kind.value) };
    case "amount":
      if (!kind.value.atLeast) break;
      return { kind: "amount", atLeast: moneyOf(kind.value.atLeast) };
    case "country":
      return { kind: "country", countryCodes: kind.value.countryCodes };
    case "postalCode":
      return { kind: "postal_code", countryCode: kind.value.countryCode, prefix: postalCodeForm(kind.value.prefix) };
    case "address":
      return { kind: "address", addressHash: kind.value.addressHash };
    case "email":
      return { kind: "email", email: emailForm(kind.value.email) };
    case "size":
      return { kind: "size", unitsMin: Number(kind.value.unitsMin), linesMin: kind.value.linesMin };
    case "newCustomer":
      return { kind: "new_customer" };
    case "list":
      return { kind: "list", listId: kind.value.listId };
    case undefined:
      break;
  }
  throw new Error("a condition without its parts passed validation");
}

function velocityOf({ by, windowSeconds, ordersMax, sumMax }: VelocityCondition): Velocity {
  const about = { by: byOfMessage(by), windowSeconds };
  return sumMax ? { ...about, sumMax: moneyOf(sumMax) } : { ...about, ordersMax };
}
