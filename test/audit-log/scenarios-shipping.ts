// The same for what operators do about parcels.
import { RatesService } from "#gen/ordermesh/shipping/v1/rates_service_pb.ts";
import { shipping } from "../../services/shipping/main.ts";
import { serviceFixture } from "../support/service-fixture.ts";
import { worldOf, type Scenario } from "./scenarios.ts";

const nordics = { zone: "nordics", countryCodes: ["SE", "NO"] };
const rate = {
  zone: "nordics",
  currencyCode: "EUR",
  method: "EXPRESS",
  baseMinorUnits: 900n,
  unitMinorUnits: 10n,
  maxMinorUnits: 2_000n,
  steps: [{ fromGrams: 0n, minorUnits: 300n }],
};
const rateId = "nordics.EUR.EXPRESS";

async function ratesWorld() {
  const world = worldOf(await serviceFixture(shipping));
  const rates = world.client(RatesService);
  await rates.putZone({ zone: "nordics", countryCodes: ["SE"] });
  return { world, rates };
}

export const shippingScenarios: readonly Scenario[] = [
  {
    method: "ordermesh.shipping.v1.RatesService/PutZone",
    resourceKind: "shipping_zone",
    prepare: async () => {
      const { world, rates } = await ratesWorld();
      return { ...world, change: async () => (await rates.putZone(nordics)).zone?.zone };
    },
  },
  {
    method: "ordermesh.shipping.v1.RatesService/DeleteZone",
    resourceKind: "shipping_zone",
    prepare: async () => {
      const { world, rates } = await ratesWorld();
      const remove = async () => {
        await rates.deleteZone({ zone: "nordics" });
        return "nordics";
      };
      return { ...world, change: remove };
    },
  },
  {
    method: "ordermesh.shipping.v1.RatesService/PutRate",
    resourceKind: "shipping_rate",
    prepare: async () => {
      const { world, rates } = await ratesWorld();
      const put = async () => {
        await rates.putRate({ rate });
        return rateId;
      };
      return { ...world, change: put };
    },
  },
  {
    method: "ordermesh.shipping.v1.RatesService/DeleteRate",
    resourceKind: "shipping_rate",
    prepare: async () => {
      const { world, rates } = await ratesWorld();
      await rates.putRate({ rate });
      const remove = async () => {
        await rates.deleteRate({ zone: "nordics", currencyCode: "EUR", method: "EXPRESS" });
        return rateId;
      };
      return { ...world, change: remove };
    },
  },
];
