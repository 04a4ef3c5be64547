// The same for fraud.
import { AssessmentState } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { ListKind } from "#gen/ordermesh/fraud/v1/list_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { fraud } from "../../services/fraud/main.ts";
import { serviceFixture } from "../support/service-fixture.ts";
import { worldOf, type Change, type Scenario, type World } from "./scenarios.ts";

type Fraud = ReturnType<typeof clientOf>;
const clientOf = (world: World) => world.client(FraudService);

/** What there is to be changed. */
interface Ids {
  ruleId: string;
  listId: string;
  /** Of an order in review. */
  orderId: string;
}

const orderId = "ord_1";
let leases = 0;
const rule = { description: "cheap", weight: 5, condition: { case: "bin", value: { prefix: "55" } } } as const;
const listed = { value: "tok_of_a_device", note: "Lovelace's" };

const scenario = (method: string, resourceKind: string, change: (client: Fraud, ids: Ids) => Change): Scenario => ({
  method: `ordermesh.fraud.v1.FraudService/${method}`,
  resourceKind,
  prepare: async () => {
    const fixture = await serviceFixture(fraud);
    const world = worldOf(fixture);
    const client = clientOf(world);
    const buyer = { customerId: "ada", paymentMethodBin: "424242", deviceFingerprint: "laptop" };
    await fixture.deliver(OrderCreatedSchema, {
      orderId,
      buyer,
      total: { currencyCode: "EUR", minorUnits: 500_000n },
      createTime: { seconds: 1_770_000_000n },
    });
    const ruleId = (await client.createRule({ rule })).rule?.ruleId ?? "";
    const listId = (await client.createList({ list: { name: "known", kind: ListKind.DEVICE } })).list?.listId ?? "";
    await client.addListEntries({ listId, entries: [{ value: "kiosk" }] });
    return { ...world, change: change(client, { ruleId, listId, orderId }) };
  },
});

/** Changes, and answers what was changed. */
const changes = (id: string, work: () => Promise<unknown>) => async (): Promise<string> => {
  await work();
  return id;
};

export const fraudScenarios: readonly Scenario[] = [
  scenario("DecideAssessment", "assessment", (client) =>
    changes(orderId, () => client.decideAssessment({ orderId, decision: AssessmentState.CLEARED, note: "known" })),
  ),
  {
    // Taken again, it is taken for longer.
    ...scenario("ClaimReview", "assessment", (client) =>
      changes(orderId, () => client.claimReview({ orderId, leaseSeconds: 60 + (leases += 1) })),
    ),
    changesAgain: true,
  },
  scenario("ReleaseReview", "assessment", (client) => {
    const claimed = client.claimReview({ orderId });
    return changes(orderId, async () => {
      await claimed;
      await client.releaseReview({ orderId });
    });
  }),
  {
    ...scenario("AddReviewNote", "assessment", (client) =>
      changes(orderId, () => client.addReviewNote({ orderId, text: "Lovelace has called" })),
    ),
    changesAgain: true,
  },
  {
    ...scenario("CreateRule", "rule", (client) => async () => (await client.createRule({ rule })).rule?.ruleId),
    changesAgain: true,
  },
  scenario("UpdateRule", "rule", (client, { ruleId }) => {
    // Of what changes nothing may be told but that it did.
    const device = { case: "device", value: { fingerprint: "tok_of_a_device" } } as const;
    return changes(ruleId, () => client.updateRule({ ruleId, rule: { ...rule, condition: device } }));
  }),
  scenario("DeleteRule", "rule", (client, { ruleId }) => changes(ruleId, () => client.deleteRule({ ruleId }))),
  scenario("UpdatePolicy", "fraud_policy", (client) =>
    changes("demo", () => client.updatePolicy({ policy: { reviewScoreMin: 40, rejectScoreMin: 90 } })),
  ),
  scenario("CreateList", "fraud_list", (client) => async () => {
    return (await client.createList({ list: { name: "new", kind: ListKind.BIN } })).list?.listId;
  }),
  scenario("DeleteList", "fraud_list", (client, { listId }) => changes(listId, () => client.deleteList({ listId }))),
  scenario("AddListEntries", "fraud_list", (client, { listId }) =>
    changes(listId, () => client.addListEntries({ listId, entries: [listed] })),
  ),
  scenario("RemoveListEntries", "fraud_list", (client, { listId }) =>
    changes(listId, () => client.removeListEntries({ listId, values: ["kiosk"] })),
  ),
];
