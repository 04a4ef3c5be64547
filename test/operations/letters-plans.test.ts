import { readdir } from "node:fs/promises";
import { sql, type Kysely, type RawBuilder } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { operations } from "../../services/operations/main.ts";
import { eventTypeNames, findEventType } from "../../services/operations/events/event-types.ts";
import { showBytes, showPayload } from "../../services/operations/events/show-payload.ts";
import { countStatement } from "../../services/operations/store/letters/count-letters.ts";
import { deleteClosed } from "../../services/operations/store/letters/outcomes.ts";
import { listStatement } from "../../services/operations/store/letters/read-letters.ts";
import type { OperationsTables } from "../../services/operations/store/tables.ts";
import { fileMany } from "../../tools/bench/letters.ts";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { OrderPaymentDueSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { serviceFixture, type ServiceFixture } from "../support/service-fixture.ts";
import { root } from "../../tools/command.ts";
import { eventMessages, loadContracts } from "../../tools/contracts.ts";

let fixture: ServiceFixture<OperationsTables>;

beforeAll(async () => {
  fixture = await serviceFixture(operations);
  await fileMany((work) => fixture.runtime.transaction(work), 10_000);
  // Most letters of a year are over.
  await sql`
    update dead_letter set state = 'discarded', close_time = now() where stream_sequence % 10 <> 0`.execute(fixture.runtime.db);
  await sql`vacuum analyze dead_letter`.execute(fixture.runtime.db);
});

afterAll(() => fixture.close());

async function planOf(db: Kysely<OperationsTables>, statement: RawBuilder<unknown>): Promise<string> {
  const read = await sql<{ "QUERY PLAN": string }>`explain ${statement}`.execute(db);
  return read.rows.map((row) => row["QUERY PLAN"]).join("\n");
}

test.each([
  { name: "all", filter: {} },
  { name: "open ones", filter: { state: "open" } },
  { name: "those of a service", filter: { service: "orders" } },
  { name: "those of a consumer", filter: { consumer: "orders_p1" } },
  { name: "those of a type", filter: { typeName: "ordermesh.catalog.events.v1.ProductCreated" } },
  { name: "those with a code", filter: { code: "DUPLICATE_ORDER" } },
  { name: "those about a key", filter: { key: "prod40" } },
  { name: "those of an event", filter: { eventId: "evt_1" } },
  { name: "those since a time", filter: { since: new Date(Date.now() - 60_000) } },
] as const)("a list of letters ($name) reads by an index", async ({ filter }) => {
  const plan = await planOf(fixture.runtime.db, listStatement({ filter, rowsMax: 51, after: undefined, offset: 0 }));
  expect(plan).toContain("Index");
  expect(plan).not.toContain("Seq Scan");
});

test("a count of what is not over reads by an index, whatever is over", async () => {
  const plan = await planOf(fixture.runtime.db, countStatement(undefined, new Date()));
  expect(plan).toContain("dead_letter_by_state");
  expect(plan).not.toContain("Seq Scan");
});

test("no event of the contracts is missing from those that letters can show", async () => {
  const contracts = await loadContracts();
  const names = eventMessages(contracts).events.map((message) => message.typeName);
  expect(names.length).toBeGreaterThan(20);
  expect(eventTypeNames().toSorted()).toEqual(names.toSorted());
  expect((await readdir(`${root}gen/ordermesh`)).length).toBeGreaterThan(5);
  expect(findEventType("ordermesh.orders.events.v1.OrderCreated")).toBeDefined();
});

test("letters that were closed long ago are deleted, some at a time, and open ones never", async () => {
  const { db, transaction } = fixture.runtime;
  const count = async (): Promise<{ open: number; closed: number }> => {
    const read = await sql<{ open: number; closed: number }>`
      select count(*) filter (where state = 'open') as open, count(*) filter (where state = 'discarded') as closed
      from dead_letter`.execute(db);
    return read.rows[0] ?? { open: 0, closed: 0 };
  };
  const before = await count();
  expect(await transaction((tx) => deleteClosed(tx, new Date(Date.now() - 86_400_000)))).toBe(0);
  const deleted = await transaction((tx) => deleteClosed(tx, new Date(Date.now() + 86_400_000)));
  expect(deleted).toBe(500);
  expect(await count()).toEqual({ open: before.open, closed: before.closed - deleted });
});

test("a payment token is masked where a payload is shown", () => {
  const payload = toBinary(
    OrderPaymentDueSchema,
    create(OrderPaymentDueSchema, { orderId: "ord_1", paymentToken: "tok_secret" }),
  );
  const { json } = showPayload(OrderPaymentDueSchema.typeName, payload);
  expect(json).toMatchObject({ orderId: "ord_1", paymentToken: "[redacted]" });
  const bytes = showBytes(OrderPaymentDueSchema.typeName, payload);
  expect(Buffer.from(bytes).includes("tok_secret")).toBe(false);
  expect(fromBinary(OrderPaymentDueSchema, bytes)).toMatchObject({ orderId: "ord_1", paymentToken: "" });
});
