// The tables of fraud, as its SQL sees them.
import type { ColumnType, Generated } from "kysely";
import type { AssessmentState, Decider } from "../domain/assessment.ts";
import type { Condition, Observed } from "../domain/conditions.ts";
import type { ListKind } from "../domain/lists.ts";
import type { OrderFacts } from "../domain/order.ts";
import type { RuleEffect, RuleMatch, RuleMode } from "../domain/rules.ts";

/** Objects on the way out, JSON text on the way in. */
type Json<Value> = ColumnType<Value, string, string>;

/** Facts of an order by which none is looked for. */
export type OtherFacts = Omit<OrderFacts, "cardBin" | "deviceFingerprint" | "email" | "addressHash">;

/** Those from before rules had modes and effects have none. */
type StoredMatch = Omit<RuleMatch, "mode" | "effect"> & Partial<Pick<RuleMatch, "mode" | "effect">>;

export interface Tables {
  rule: {
    tenant_id: string;
    rule_id: string;
    description: string;
    weight: number;
    kind: Condition["kind"];
    params: Json<unknown>;
    create_time: Date;
    is_disabled: boolean;
    mode: RuleMode;
    effect: RuleEffect;
    /** In force from this version of the rule set on. */
    from_version: number;
    /** Until before this version; null where it is in force now. */
    until_version: number | null;
  };
  /** Versions from 2 on: a shop begins with version 1, of which nothing needs to be told. */
  rule_set: {
    tenant_id: string;
    version: number;
    review_score_min: number;
    reject_score_min: number;
    review_seconds: number;
    at_deadline: "CLEARED" | "REJECTED";
    changed_by: string;
    create_time: Date;
  };
  fraud_list: { tenant_id: string; list_id: string; name: string; kind: ListKind; create_time: Date };
  list_entry: {
    tenant_id: string;
    list_id: string;
    value: string;
    /** In the order in which they were added. */
    entry_number: Generated<number>;
    note: string;
    expire_time: Date | null;
    create_time: Date;
  };
  assessment: {
    tenant_id: string;
    order_id: string;
    order_event_id: string;
    customer_id: string;
    state: AssessmentState;
    score: number;
    matches: Json<StoredMatch[]>;
    currency_code: string;
    total_minor_units: number;
    place_time: Date;
    create_time: Date;
    decider: Decider | null;
    decided_by: string;
    decision_note: string;
    decide_time: Date | null;
    event_count: number;
    rule_set_version: number;
    review_score_min: number;
    reject_score_min: number;
    card_bin: string;
    device_fingerprint: string;
    email: string;
    address_hash: string;
    /** Those without a column of their own; null where they were not kept then or the customer is erased. */
    facts: Json<OtherFacts> | null;
    observed: Json<Observed> | null;
    erase_time: Date | null;
    /** Null where it never was in review. */
    review_deadline: Date | null;
    claimed_by: string;
    claim_expire_time: Date | null;
  };
  review_note: {
    tenant_id: string;
    order_id: string;
    /** In the order in which they were written. */
    note_number: Generated<number>;
    author: string;
    text: string;
    create_time: Date;
  };
  cancelled_order: { tenant_id: string; order_id: string; cancel_time: Date };
}

export interface OrderKey {
  tenant: string;
  orderId: string;
}

/** As work that is planned for an order names it. */
export const dueKeyOf = ({ tenant, orderId }: OrderKey): { tenant: string; key: string } => ({ tenant, key: orderId });

export const keyOf = ({ tenant, orderId }: OrderKey): string => JSON.stringify([tenant, orderId]);
