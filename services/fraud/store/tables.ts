// The tables of fraud, as its SQL sees them.
import type { ColumnType } from "kysely";
import type { AssessmentState, Decider } from "../domain/assessment.ts";
import type { Condition, RuleMatch } from "../domain/rules.ts";

/** Objects on the way out, JSON text on the way in. */
type Json<Value> = ColumnType<Value, string, string>;

export interface Tables {
  rule: {
    tenant_id: string;
    rule_id: string;
    description: string;
    weight: number;
    kind: Condition["kind"];
    params: Json<unknown>;
    create_time: Date;
  };
  assessment: {
    tenant_id: string;
    order_id: string;
    order_event_id: string;
    customer_id: string;
    state: AssessmentState;
    score: number;
    matches: Json<RuleMatch[]>;
    currency_code: string;
    total_minor_units: number;
    place_time: Date;
    create_time: Date;
    decider: Decider | null;
    decided_by: string;
    decision_note: string;
    decide_time: Date | null;
    event_count: number;
  };
  cancelled_order: { tenant_id: string; order_id: string; cancel_time: Date };
}

export interface OrderKey {
  tenant: string;
  orderId: string;
}

export const keyOf = ({ tenant, orderId }: OrderKey): string => JSON.stringify([tenant, orderId]);
