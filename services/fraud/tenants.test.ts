// A new shop gets rules, once, and its orders are screened from the first one on.
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AssessmentState } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { TenantCreatedSchema } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { newId } from "#runtime/ids.ts";
import { refusal } from "../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { fraud } from "./main.ts";
import type { Tables } from "./store/tables.ts";

let fixture: ServiceFixture<Tables>;
beforeAll(async () => {
  fixture = await serviceFixture(fraud);
});
afterAll(() => fixture.close());

const clientOf = (tenant: string) => fixture.clientOf(tenant, FraudService);
const made = (tenantId: string) => fixture.deliverTo(tenantId, TenantCreatedSchema, { tenantId });
const rulesOf = async (tenant: string) =>
  (await clientOf(tenant).listRules({})).rules.map(({ createTime: _time, $typeName: _name, ...rule }) => rule);

/** What becomes of an order by a stolen card. */
async function screened(tenant: string): Promise<AssessmentState | undefined> {
  const orderId = newId("ord");
  const buyer = { customerId: "ada", paymentMethodBin: "400000", deviceFingerprint: "laptop" };
  await fixture.deliverTo(tenant, OrderCreatedSchema, { orderId, buyer, total: { currencyCode: "EUR", minorUnits: 100n } });
  return (await clientOf(tenant).getAssessment({ orderId })).assessment?.state;
}

test("before it is heard of, a shop's rules are not there to be seen or added to, and screen all the same", async () => {
  const notReady = { code: Code.FailedPrecondition, reason: "TENANT_NOT_READY" };
  expect(await refusal(clientOf("second").listRules({}))).toEqual(notReady);
  const rule = { description: "mine", weight: 5, condition: { case: "bin" as const, value: { prefix: "9" } } };
  expect(await refusal(clientOf("second").createRule({ rule }))).toEqual(notReady);
  expect(await screened("second")).toBe(AssessmentState.REJECTED);
  await made("second");
  expect(await rulesOf("second")).toEqual(await rulesOf("demo"));
  expect(await rulesOf("second")).toHaveLength(7);
  expect(await screened("second")).toBe(AssessmentState.REJECTED);
});

test("what a shop has deleted does not come back, and screens nothing", async () => {
  await made("third");
  for (const { ruleId } of await rulesOf("third")) await clientOf("third").deleteRule({ ruleId });
  await made("third");
  expect(await rulesOf("third")).toEqual([]);
  expect(await screened("third")).toBe(AssessmentState.CLEARED);
  // Nobody else's are gone.
  expect(await rulesOf("demo")).toHaveLength(7);
});
