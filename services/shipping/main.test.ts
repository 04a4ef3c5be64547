// Rates, settings and the schema.
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { ShippingMethod } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { migrateDown, migrateUp } from "#runtime/database/migrate.ts";
import { newId } from "#runtime/ids.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { shipping } from "./main.ts";
import type { Tables } from "./store/shipments.ts";

let fixture: ServiceFixture<Tables>;
beforeAll(async () => {
  fixture = await serviceFixture(shipping);
});
afterAll(() => fixture.close());

const client = () => fixture.client(ShippingService);

describe("rates", () => {
  test.each([
    { currencyCode: "USD", units: 1n, countryCode: "", want: [499n, 1_499n] },
    { currencyCode: "USD", units: 3n, countryCode: "DE", want: [599n, 1_699n] },
    { currencyCode: "USD", units: 1n, countryCode: "FR", want: [1_499n, 3_999n] },
    { currencyCode: "EUR", units: 500n, countryCode: "", want: [4_999n, 9_999n] },
    { currencyCode: "GBP", units: 1n, countryCode: "US", want: [1_299n, 3_499n] },
    { currencyCode: "JPY", units: 2n, countryCode: "", want: [770n, 2_240n] },
    { currencyCode: "JPY", units: 1_000_000_000n, countryCode: "US", want: [21_000n, 42_000n] },
  ])('$units units in $currencyCode to "$countryCode" cost $want', async ({ want, ...parcel }) => {
    const { rates } = await client().quoteRates(parcel);
    expect(rates.map(({ cost }) => cost?.minorUnits)).toEqual(want);
    expect(rates.map(({ method }) => method)).toEqual([ShippingMethod.STANDARD, ShippingMethod.EXPRESS]);
    expect(rates.every(({ cost }) => cost?.currencyCode === parcel.currencyCode)).toBe(true);
  });
});

test.each([
  { name: "ORDERMESH_SHOP_COUNTRY", value: "Germany" },
  { name: "ORDERMESH_CARRIER_DISPATCH_MS", value: "-1" },
  { name: "ORDERMESH_CARRIER_DELIVER_MS", value: "soon" },
])("$name set to $value stops the start with its name", ({ name, value }) => {
  expect(() => shipping.create({ ...fixture.runtime, env: { [name]: value } })).toThrow(name);
});

test("the database holds the invariants, whatever the code does", async () => {
  const orderId = newId("ord");
  await fixture.deliver(OrderReadySchema, { orderId });
  const changes = [
    sql`update shipment set state = 'DISPATCHED'`,
    sql`update shipment set state = 'STOPPED', stop_time = now()`,
    sql`update shipment set tracking_number = ''`,
    sql`update shipment set ready_event_id = null`,
    sql`update shipment set event_count = 2`,
  ];
  for (const change of changes) {
    await expect(sql`${change} where order_id = ${orderId}`.execute(fixture.runtime.db)).rejects.toThrow(/check constraint/);
  }
});

test("migrations run down and up again", async () => {
  const options = { schema: shipping.name, folder: shipping.migrations };
  await migrateDown(fixture.runtime.db, options);
  await migrateUp(fixture.runtime.db, options);
  expect((await client().quoteRates({ currencyCode: "GBP", units: 1n })).rates).toHaveLength(2);
});
