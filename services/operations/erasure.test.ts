// What a letter holds of an order whose customer is erased is kept as long as somebody may send it again.
import type { Client } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { OrderErasedSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { operations } from "./main.ts";
import { fileFailures, type Failure } from "./store/letters/file-letters.ts";
import type { OperationsTables } from "./store/tables.ts";

let fixture: ServiceFixture<OperationsTables>;
let client: Client<typeof OperationsService>;
beforeAll(async () => {
  fixture = await serviceFixture(operations, { as: "operator" });
  client = fixture.client(OperationsService);
});
afterAll(() => fixture.close());

const typeName = "ordermesh.orders.events.v1.OrderReady";
let position = 0;

async function file(orderId: string): Promise<string> {
  position += 1;
  const failure: Failure = {
    service: "shipping",
    consumer: "relay",
    stream: "EVENTS",
    streamSequence: position,
    position,
    original: {
      eventId: `evt_${position}`,
      eventTime: new Date(),
      typeName,
      tenant: "demo",
      key: orderId,
      subject: `p.0.${typeName}.demo.${orderId}`,
      headers: [],
      payload: new TextEncoder().encode("1 Main St"),
      letterId: "",
    },
    code: "HANDLER_FAILED",
    message: "for the test",
    attempts: 3,
    attemptsAreTotal: true,
    time: new Date(),
    source: "advisory",
  };
  await fixture.runtime.transaction((tx) => fileFailures(tx, [failure]));
  const { rows } = await sql<{ id: string }>`
    select letter_id as id from dead_letter where event_id = ${`evt_${position}`}`.execute(fixture.runtime.db);
  return rows[0]?.id ?? "";
}

const close = (letterId: string) =>
  sql`
    update dead_letter set state = 'resolved', close_time = now(), send_kind = null where letter_id = ${letterId}`.execute(
    fixture.runtime.db,
  );
const isKept = async (letterId: string): Promise<boolean> => {
  const { rows } = await sql<{ kept: boolean }>`
    select payload is not null as kept from dead_letter where letter_id = ${letterId}`.execute(fixture.runtime.db);
  return rows[0]?.kept ?? false;
};

test("a closed letter loses its event, an open one when it is closed, and one that comes late as well", async () => {
  const [closed, open, others] = [await file("ord_1"), await file("ord_1"), await file("ord_2")];
  await close(closed);
  await close(others);
  expect(await isKept(closed)).toBe(true);
  await fixture.deliver(OrderErasedSchema, { orderId: "ord_1", customerId: "ada" });
  await fixture.runDue(new Date(Date.now() + 10_000));
  expect([await isKept(closed), await isKept(open), await isKept(others)]).toEqual([false, true, true]);
  await close(open);
  expect(await isKept(open)).toBe(false);
  const late = await file("ord_1");
  expect(await isKept(late)).toBe(true);
  await close(late);
  expect(await isKept(late)).toBe(false);
  const shown = (await client.getDeadLetter({ letterId: late })).deadLetter;
  expect(shown?.letterId).toBe(late);
});
