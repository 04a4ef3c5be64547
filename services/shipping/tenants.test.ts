// A new shop gets rates, once, and what it does with them is its own affair.
import { Code } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TenantCreatedSchema } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { refusal } from "../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { shipping } from "./main.ts";
import type { Tables } from "./store/shipments.ts";

let fixture: ServiceFixture<Tables>;
beforeAll(async () => {
  fixture = await serviceFixture(shipping);
});
afterAll(() => fixture.close());

const quote = (tenant: string) => fixture.clientOf(tenant, ShippingService).quoteRates({ currencyCode: "EUR", units: 3n });
const made = (tenantId: string) => fixture.deliverTo(tenantId, TenantCreatedSchema, { tenantId });
const rowsOf = async (tenant: string): Promise<unknown[]> => {
  const { rows } = await sql`
    select method, currency_code, zone, base_minor_units, unit_minor_units, max_minor_units from rate
    where tenant_id = ${tenant} order by 1, 2, 3`.execute(fixture.runtime.db);
  return rows;
};

test("before it is heard of, a shop is told to wait; after it, it has the rates of the first shop", async () => {
  expect(await refusal(quote("second"))).toEqual({ code: Code.FailedPrecondition, reason: "TENANT_NOT_READY" });
  await made("second");
  expect((await quote("second")).rates).toEqual((await quote("demo")).rates);
  expect(await rowsOf("second")).toEqual(await rowsOf("demo"));
  expect(await rowsOf("second")).toHaveLength(16);
});

test("the same word again, and another one, bring back nothing that the shop has changed or deleted", async () => {
  await made("third");
  await sql`update rate set base_minor_units = 1 where tenant_id = 'third' and method = 'STANDARD'`.execute(fixture.runtime.db);
  await sql`delete from rate where tenant_id = 'third' and method = 'EXPRESS'`.execute(fixture.runtime.db);
  const before = await rowsOf("third");
  await made("third");
  expect(await rowsOf("third")).toEqual(before);
  await sql`delete from rate where tenant_id = 'third'`.execute(fixture.runtime.db);
  await made("third");
  expect(await rowsOf("third")).toEqual([]);
  // Nothing is sent anywhere, and that is no reason to wait.
  expect((await quote("third")).rates).toEqual([]);
});

test("the first shop keeps what its migration gave it, and rates that a shop has before the word stay", async () => {
  const before = await rowsOf("demo");
  await sql`delete from rate where tenant_id = 'demo' and currency_code = 'JPY'`.execute(fixture.runtime.db);
  await made("demo");
  expect(await rowsOf("demo")).toHaveLength(before.length - 4);
  await sql`insert into rate values ('fourth', 'STANDARD', 'EUR', 'domestic', 7, 0, 7)`.execute(fixture.runtime.db);
  await made("fourth");
  expect((await quote("fourth")).rates[0]).toMatchObject({ cost: { minorUnits: 7n } });
});
