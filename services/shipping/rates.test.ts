// Zones and rates that an operator changes: what is refused, and that what is told counts at once.
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RatesService, type ZoneRateSchema } from "#gen/ordermesh/shipping/v1/rates_service_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { refusal } from "../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { shipping } from "./main.ts";
import type { Tables } from "./store/shipments.ts";

let fixture: ServiceFixture<Tables>;
beforeAll(async () => {
  fixture = await serviceFixture(shipping);
});
afterAll(() => fixture.close());

const rates = () => fixture.client(RatesService);
const costsTo = async (countryCode: string, weightGrams: bigint): Promise<(bigint | undefined)[]> => {
  const answer = await fixture.client(ShippingService).quoteRates({ currencyCode: "EUR", units: 2n, countryCode, weightGrams });
  return answer.rates.map(({ cost }) => cost?.minorUnits);
};
const rate = (change: MessageInitShape<typeof ZoneRateSchema> = {}): MessageInitShape<typeof ZoneRateSchema> => ({
  zone: "nordics",
  currencyCode: "EUR",
  method: "STANDARD",
  baseMinorUnits: 800n,
  unitMinorUnits: 100n,
  maxMinorUnits: 5_000n,
  ...change,
});
const steps = [
  { fromGrams: 0n, toGrams: 1_000n, minorUnits: 0n },
  { fromGrams: 1_000n, toGrams: 20_000n, minorUnits: 450n },
];

test("a country goes from abroad into a zone and back, and pays what counts there", async () => {
  const abroad = await costsTo("SE", 1_500n);
  await rates().putZone({ zone: "nordics", countryCodes: ["SE", "NO"] });
  // Nothing is sent there until there are rates.
  expect(await costsTo("SE", 1_500n)).toEqual([]);
  await rates().putRate({ rate: rate({ steps }) });
  expect([await costsTo("SE", 999n), await costsTo("NO", 1_500n), await costsTo("SE", 20_000n)]).toEqual([[900n], [1_350n], []]);
  expect(await costsTo("FR", 1_500n)).toEqual(abroad);
  const { rates: listed } = await rates().listRates({});
  expect(listed.find(({ zone }) => zone === "nordics")).toMatchObject(rate({ steps }));
  expect(listed).toHaveLength(17);
  expect(await refusal(rates().deleteZone({ zone: "nordics" }))).toEqual({
    code: Code.FailedPrecondition,
    reason: "ZONE_HAS_RATES",
  });
  const key = { zone: "nordics", currencyCode: "EUR", method: "STANDARD" };
  await rates().deleteRate(key);
  expect(await refusal(rates().deleteRate(key))).toEqual({ code: Code.NotFound, reason: "RATE_NOT_FOUND" });
  await rates().deleteZone({ zone: "nordics" });
  expect(await costsTo("SE", 1_500n)).toEqual(abroad);
  expect((await rates().listZones({})).zones).toEqual([]);
});

test("a country is in one zone, also where two want it at once", async () => {
  const countries = ["BE", "NL", "LU"];
  const wishes = Array.from({ length: 12 }, (_, index) =>
    rates()
      .putZone({ zone: `benelux-${index}`, countryCodes: index % 2 === 0 ? countries : countries.toReversed() })
      .then(
        () => "made",
        async (error: unknown) => (await refusal(Promise.reject(error))).reason,
      ),
  );
  const outcomes = await Promise.all(wishes);
  expect(outcomes.filter((outcome) => outcome === "made")).toHaveLength(1);
  expect(new Set(outcomes)).toEqual(new Set(["made", "ZONE_COUNTRY_TAKEN"]));
  const { zones } = await rates().listZones({});
  expect(zones.map(({ countryCodes }) => countryCodes)).toEqual([["BE", "LU", "NL"]]);
});

test.each([
  { why: "the shop's own country", zone: { zone: "home", countryCodes: ["DE"] }, reason: "ZONE_COUNTRY_TAKEN" },
  { why: "a name that is always there", zone: { zone: "domestic", countryCodes: ["FR"] }, reason: "ZONE_RESERVED" },
  { why: "no countries", zone: { zone: "empty", countryCodes: [] }, reason: "INVALID_ARGUMENT" },
  { why: "a country twice", zone: { zone: "twice", countryCodes: ["FR", "FR"] }, reason: "INVALID_ARGUMENT" },
  { why: "no code of a country", zone: { zone: "france", countryCodes: ["France"] }, reason: "INVALID_ARGUMENT" },
])("a zone with $why is refused", async ({ zone, reason }) => {
  expect(await refusal(rates().putZone(zone))).toMatchObject({ reason });
});

test.each([
  { why: "a zone that there is not", change: { zone: "mars" }, reason: "ZONE_NOT_FOUND" },
  { why: "another currency", change: { currencyCode: "CHF" }, reason: "INVALID_ARGUMENT" },
  { why: "a negative price", change: { unitMinorUnits: -1n }, reason: "INVALID_ARGUMENT" },
  { why: "a gap", change: { steps: [{ fromGrams: 1n }] }, reason: "RATE_STEPS_GAP" },
  { why: "an overlap", change: { steps: [{ toGrams: 5n }, { fromGrams: 4n }] }, reason: "RATE_STEPS_OVERLAP" },
  { why: "a most below the first unit", change: { maxMinorUnits: 1n }, reason: "RATE_MAX_BELOW_BASE" },
])("a rate with $why is refused", async ({ change, reason }) => {
  expect(await refusal(rates().putRate({ rate: rate({ zone: "international", ...change }) }))).toMatchObject({ reason });
});

test("a rate of the zones that are always there can be changed, and another shop's stay as they are", async () => {
  const before = await costsTo("", 0n);
  await rates().putRate({ rate: rate({ zone: "domestic", baseMinorUnits: 100n, maxMinorUnits: 200n }) });
  expect(await costsTo("", 0n)).toEqual([200n, before[1]]);
  expect((await fixture.clientOf("other", RatesService).listRates({})).rates).toEqual([]);
});
