import { Code } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CustomerState, ErasureReason, ErasureState } from "#gen/ordermesh/customers/v1/customer_pb.ts";
import { AccountRegisteredSchema } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import { OrderErasedSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { migrateDown, migrateUp, pendingMigrations } from "#runtime/database/migrate.ts";
import { refusal } from "../../test/support/refusal.ts";
import { customersFixture, home, profile, type CustomersFixture } from "./customers.fixture.ts";
import { customers as definition } from "./main.ts";

let fixture: CustomersFixture;
let customers: CustomersFixture["customers"];
beforeAll(async () => {
  fixture = await customersFixture();
  ({ customers } = fixture);
});
beforeEach(() => void fixture.keeps.splice(0));
afterAll(() => fixture.close());

const reason = ErasureReason.OBJECTION;

async function fill(customerId: string): Promise<void> {
  await customers.updateCustomer({ customerId, profile, allowMissing: true });
  await customers.createAddress({ customerId, address: home, requestId: "r-1" });
  await customers.recordConsent({ customerId, purpose: "analytics", granted: true, textVersion: "1" });
}

const rowsOf = async (customerId: string): Promise<Record<string, number>> => {
  const counts: [string, number][] = [];
  for (const table of ["customer", "address", "address_request", "consent"]) {
    const read = await sql`select from ${sql.ref(table)} where customer_id = ${customerId}`.execute(fixture.runtime.db);
    counts.push([table, read.rows.length]);
  }
  return Object.fromEntries(counts);
};

const later = (ms: number): Date => new Date(Date.now() + ms);

test("nothing is left but the id, and when and why; it is told once, however many ask at the same time", async () => {
  await fill("ada");
  expect(await rowsOf("ada")).toEqual({ customer: 1, address: 1, address_request: 1, consent: 1 });
  const answers = await Promise.all(Array.from({ length: 10 }, () => customers.eraseCustomer({ customerId: "ada", reason })));
  const [first] = answers;
  for (const answer of answers) expect(answer).toEqual(first);
  expect(first?.erasure).toMatchObject({ customerId: "ada", state: ErasureState.PENDING, reason });
  expect(await rowsOf("ada")).toEqual({ customer: 1, address: 0, address_request: 0, consent: 0 });
  const { customer } = await customers.getCustomer({ customerId: "ada" });
  expect(customer).toMatchObject({ state: CustomerState.ERASED, eraseTime: first?.erasure?.requestTime });
  expect(customer?.profile).toBeUndefined();
  const told = (await fixture.sent()).filter(({ key }) => key === "ada");
  expect(told.map(({ sequence, typeName }) => [sequence, typeName.split(".").at(-1)])).toEqual([
    [1, "ConsentChanged"],
    [2, "CustomerErased"],
  ]);
});

test("whoever was never heard of is erased as well, and stays so when it registers late", async () => {
  expect(await refusal(customers.getErasure({ customerId: "ghost" }))).toEqual({
    code: Code.NotFound,
    reason: "ERASURE_NOT_FOUND",
  });
  await customers.eraseCustomer({ customerId: "ghost", reason });
  await fixture.deliver(AccountRegisteredSchema, { customerId: "ghost" });
  expect((await customers.getCustomer({ customerId: "ghost" })).customer?.state).toBe(CustomerState.ERASED);
});

test("nothing of it comes back: each method that writes is refused", async () => {
  const customerId = "gone";
  await fill(customerId);
  const { addresses } = await customers.listAddresses({ customerId });
  const addressId = addresses[0]?.addressId ?? "";
  await customers.eraseCustomer({ customerId, reason });
  const calls = [
    () => customers.updateCustomer({ customerId, profile, allowMissing: true }),
    () => customers.createAddress({ customerId, address: home, requestId: "r-1" }),
    () => customers.updateAddress({ customerId, addressId, address: { label: "x" } }),
    () => customers.deleteAddress({ customerId, addressId }),
    () => customers.recordConsent({ customerId, purpose: "analytics", granted: false }),
  ];
  for (const call of calls) expect(await refusal(call())).toEqual({ code: Code.FailedPrecondition, reason: "CUSTOMER_ERASED" });
});

test("writes at the same moment are erased or refused, but never kept", async () => {
  const customerId = "race";
  const writes = Array.from({ length: 12 }, (_, index) =>
    customers.createAddress({ customerId, address: home, label: `${index}` }),
  );
  await Promise.allSettled([...writes, customers.eraseCustomer({ customerId, reason })]);
  expect(await rowsOf(customerId)).toMatchObject({ address: 0 });
});

test("it is done when no service keeps anything, and says until then what is waited for", async () => {
  const customerId = "wait";
  fixture.keeps.push("orders orders ord_9 SHIPPED", "shipping order shp_1 SOON");
  await customers.eraseCustomer({ customerId, reason });
  await fixture.runDue();
  const { erasure } = await customers.getErasure({ customerId });
  expect(erasure).toMatchObject({
    state: ErasureState.PENDING,
    waitsFor: [
      { service: "orders", kind: "orders", id: "ord_9", reason: "SHIPPED" },
      { service: "shipping", kind: "order", id: "shp_1", reason: "SOON" },
    ],
  });
  expect(erasure?.checkTime).toBeDefined();
  // What is kept of an order that is waited for is not named beside it.
  fixture.keeps.splice(0, 2, "orders order_of ord_1 SHIPPED", "shipping order shp_1 SOON");
  await fixture.runDue(later(2_000));
  expect((await customers.getErasure({ customerId })).erasure?.waitsFor).toMatchObject([{ service: "orders", id: "ord_1" }]);
  fixture.keeps.splice(0);
  // Told by the order, and not only when it is time to ask again.
  await fixture.deliver(OrderErasedSchema, { orderId: "ord_9", customerId });
  await fixture.runDue(later(600));
  const done = (await customers.getErasure({ customerId })).erasure;
  expect(done).toMatchObject({ state: ErasureState.DONE, waitsFor: [] });
  // What comes late asks in vain.
  fixture.keeps.push("orders orders ord_9 SHIPPED");
  await fixture.deliver(OrderErasedSchema, { orderId: "ord_9", customerId }, { orderId: "ord_8", customerId: "nobody" });
  await fixture.runDue(later(600));
  expect((await customers.getErasure({ customerId })).erasure).toEqual(done);
});

describe("whatever the code does", () => {
  test.each(["email = 'a@b.test'", "display_name = 'Ada'", "erase_reason = null"])(
    "the database keeps an erased customer without %s",
    async (change) => {
      await customers.eraseCustomer({ customerId: "kept", reason });
      const statement = sql.raw(`update customer set ${change} where customer_id = 'kept'`);
      await expect(statement.execute(fixture.runtime.db)).rejects.toThrow(/nothing_left_of_the_erased|erased_for_a_reason/);
    },
  );
});

test("an export is the records of all services, those of orders by order", async () => {
  await fill("eve");
  const records: string[] = [];
  for await (const { service, kind, id } of customers.exportCustomer({ customerId: "eve" }))
    records.push(`${service} ${kind} ${id}`);
  expect(records.filter((line) => line.startsWith("orders"))).toEqual(["orders order ord_1"]);
  for (const service of ["payments", "shipping", "operations"]) expect(records).toContain(`${service} ${service} ord_1`);
});

test("the migrations go down to nothing and up again", async () => {
  const where = { schema: definition.name, folder: definition.migrations };
  const fresh = await customersFixture();
  const { db } = fresh.runtime;
  await migrateDown(db, where);
  const left = await sql<{ name: string }>`
    select table_name as name from information_schema.tables
    where table_schema = ${where.schema} and table_name not like 'migration%'`.execute(db);
  expect(left.rows).toEqual([]);
  await migrateUp(db, where);
  expect(await pendingMigrations(db, where)).toEqual([]);
  await fresh.close();
});
