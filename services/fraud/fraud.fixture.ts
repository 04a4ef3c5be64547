// A shop whose orders are screened, as its operator sees it.
import type { Message, MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import type { Assessment, RuleSchema } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import type { ListKind } from "#gen/ordermesh/fraud/v1/list_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import type { Clock } from "#runtime/clock.ts";
import { newId } from "#runtime/ids.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { fraud } from "./main.ts";
import type { Tables } from "./store/tables.ts";

export type Created = Exclude<MessageInitShape<typeof OrderCreatedSchema>, Message>;
export type NewBuyer = Exclude<Created["buyer"], Message | undefined>;
export type NewOrder = Created & { orderId: string };
export type NewRule = MessageInitShape<typeof RuleSchema>;

export const home = { recipient: "Ada", lines: ["1 Main St"], city: "London", postalCode: "SW1A 1AA", countryCode: "GB" };

/** An order of a customer of its own, for 20 EUR. */
export function order(buyer: NewBuyer = {}, changes: Created = {}): NewOrder {
  const orderId = newId("ord");
  return {
    orderId,
    lines: [{ sku: "MUG", quantity: 2n }],
    total: { currencyCode: "EUR", minorUnits: 2_000n },
    ...changes,
    buyer: { customerId: orderId, ...buyer },
  };
}

export interface FraudShop {
  fixture: ServiceFixture<Tables>;
  client(): Client<typeof FraudService>;
  /** Has orders screened, placed now. */
  deliver(...orders: NewOrder[]): Promise<void>;
  /** The same with one, and what came of it. */
  screened(created: NewOrder): Promise<Assessment>;
  assessmentOf(orderId: string): Promise<Assessment>;
  /** While the work goes on there is one rule more, of weight 100 where it names none. */
  withRule(rule: NewRule, work: (ruleId: string) => Promise<void>): Promise<void>;
  /** Its id. */
  newList(kind: ListKind, ...values: string[]): Promise<string>;
}

export async function fraudShop(clock: Clock): Promise<FraudShop> {
  const fixture = await serviceFixture(fraud, { clock, as: "operator" });
  const client = () => fixture.client(FraudService);
  const deliver = (...orders: NewOrder[]): Promise<void> => {
    const createTime = timestampFromDate(clock.now());
    return fixture.deliver(OrderCreatedSchema, ...orders.map((created) => ({ createTime, ...created })));
  };
  const assessmentOf = async (orderId: string): Promise<Assessment> => {
    const { assessment } = await client().getAssessment({ orderId });
    if (!assessment) throw new Error("no assessment was answered");
    return assessment;
  };
  return {
    fixture,
    client,
    deliver,
    assessmentOf,
    screened: async (created) => {
      await deliver(created);
      return await assessmentOf(created.orderId);
    },
    withRule: async (rule, work) => {
      const made = await client().createRule({ rule: { description: "for the test", weight: 100, ...rule } });
      const ruleId = made.rule?.ruleId ?? "";
      try {
        await work(ruleId);
      } finally {
        await client().deleteRule({ ruleId });
      }
    },
    newList: async (kind, ...values) => {
      const { list } = await client().createList({ list: { name: newId("lst"), kind } });
      const listId = list?.listId ?? "";
      if (values.length > 0) await client().addListEntries({ listId, entries: values.map((value) => ({ value })) });
      return listId;
    },
  };
}
