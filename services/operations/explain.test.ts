// ExplainOrder where services do not answer, and what the runtime tells of each: without the mesh.
import { createRouterTransport } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HistoryService } from "#gen/ordermesh/history/v1/history_service_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { OrderStanding } from "#gen/ordermesh/operations/v1/order_explanation_pb.ts";
import { readHandled, readOwnRows, rowsMax } from "#runtime/history/history-store.ts";
import { historyRoutes } from "#runtime/history/history-service.ts";
import { createClient } from "@connectrpc/connect";
import { serverInterceptors } from "#runtime/rpc/interceptors.ts";
import { createLogger } from "#runtime/log.ts";
import { asOperator } from "../../test/support/as-operator.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { sendingServices } from "./events/event-types.ts";
import { operations } from "./main.ts";
import type { OperationsTables } from "./store/tables.ts";

let fixture: ServiceFixture<OperationsTables>;
beforeAll(async () => {
  fixture = await serviceFixture(operations, { as: "operator" });
});
afterAll(() => fixture.close());

const orderId = "ord_of_the_test";

test("services that do not answer are named, and what is known all the same is told", async () => {
  await sql`
    insert into dead_letter (letter_id, state, service, consumer, stream, stream_sequence, position, event_id, event_time, type_name,
      tenant_id, key, subject, headers, code, message, holds_key, attempts, failures, first_failure_time, last_failure_time, source)
    select 'ltr_' || tenant, 'open', 'shipping', 'shipping_p1', 'EVENTS', 1, 1, 'evt_1', now(), 'x', tenant, ${orderId}, 'x', '[]',
      'HANDLER_FAILED', 'Ada Lovelace is not known', true, 3, 1, now(), now(), 'advisory'
    from unnest(array['demo', 'other']) as tenant`.execute(fixture.runtime.db);
  await sql`
    insert into letter_action (letter_id, sequence, action, actor, reason, action_time)
    select letter_id, 1, 'CAPTURED', 'ordermesh', 'Ada called', now() from dead_letter`.execute(fixture.runtime.db);
  const { explanation } = await fixture.client(OperationsService).explainOrder({ orderId });
  expect(explanation).toMatchObject({
    orderId,
    state: "",
    conclusion: { standing: OrderStanding.STOPPED, nextStep: "POST /v1/dead-letters/ltr_demo:redrive" },
    steps: [{ id: "ltr_demo", causeId: "evt_1", name: "CAPTURED" }],
    missing: sendingServices,
  });
  expect(explanation?.steps[0]?.text).not.toContain("Ada");
});

test("an order of which nothing is known while orders is away is not said to be none", async () => {
  const { explanation } = await fixture.client(OperationsService).explainOrder({ orderId: "ord_nobody_knows" });
  expect(explanation).toMatchObject({ steps: [], conclusion: { standing: OrderStanding.UNKNOWN } });
});

test("a service tells at most so many rows of a list, says which list is cut, and nothing of another tenant or a customer", async () => {
  const { db } = fixture.runtime;
  await sql`
    insert into parked_event (event_id, tenant_id, key, partition, stream_sequence, code, message, attempts)
    select tenant || '_' || number, tenant, ${orderId}, 0, number, 'HANDLER_FAILED', 'Ada', 2
    from unnest(array['demo', 'other']) as tenant, generate_series(1, ${rowsMax + 1}) as number`.execute(db);
  await sql`
    insert into audit_entry (tenant_id, subject, client_id, roles, method, resource_kind, resource_id, outcome, reason, peer,
      request_id, entry_time, hash)
    select 'demo', subject, 'shop', roles, 'x/PlaceOrder', 'order', ${orderId}, 'OK', '', '192.0.2.7', 'req_1', now(),
      sha256('x') from (values ('ada', 'customer'), ('olga', 'operator'), ('', '')) as who (subject, roles)`.execute(db);
  await sql`
    insert into due_work (id, kind, tenant_id, key, due_time, cause_id, traceparent)
    values ('due_1', 'known', 'demo', ${orderId}, now(), '', ''), ('due_2', 'strange', 'demo', ${orderId}, now(), '', '')`.execute(
    db,
  );
  await sql`insert into inbox (event_id, event_time, stream_sequence, attempts) values ('evt_1', '2026-03-01', 1, 3)`.execute(db);
  const interceptors = serverInterceptors({ log: createLogger({ level: "silent" }), tenant: "demo" });
  const tell = () => Promise.resolve({ facts: [], waits: [] });
  const service = { name: "operations", db, system: db, heardTypes: ["x"], kinds: ["known"], tell } as never;
  const routed = createRouterTransport(
    historyRoutes(() => [service]),
    { router: { interceptors } },
  );
  const client = createClient(HistoryService, asOperator(routed, { tenant: "demo" }));
  const events = [{ eventId: "evt_1", eventTime: { seconds: BigInt(Date.UTC(2026, 2, 1) / 1_000) } }];
  const history = await client.getOrderHistory({ service: "operations", orderId, events });
  expect(history.parked).toHaveLength(rowsMax);
  expect(history.parked.filter(({ eventId }) => !eventId.startsWith("demo_"))).toEqual([]);
  expect(history).toMatchObject({
    cut: ["parked"],
    heardTypes: ["x"],
    handled: [{ eventId: "evt_1", attempts: 3 }],
    planned: [{ kind: "known" }],
    calls: [{ actor: "" }, { actor: "olga" }, { actor: "" }],
  });
  expect(JSON.stringify(await readOwnRows(db, { tenant: "demo", orderId: "ord_1", kinds: [], resources: [] }))).not.toContain(
    "demo_",
  );
  expect(await readHandled(db, [])).toEqual([]);
  await expect(client.getOrderHistory({ service: "orders", orderId, events })).rejects.toThrow(/does not run in this process/);
});
