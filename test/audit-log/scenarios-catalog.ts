// The same for what operators say of tax.
import { TaxRatesService } from "#gen/ordermesh/catalog/v1/tax_rates_service_pb.ts";
import { catalog } from "../../services/catalog/main.ts";
import { serviceFixture } from "../support/service-fixture.ts";
import { worldOf, type Scenario } from "./scenarios.ts";

const key = { countryCode: "DE", region: "", taxClass: "REDUCED" };
const rate = { ...key, rate: 700, pricesInclude: true, name: "VAT" };
const rateId = "DE.REDUCED";

async function taxWorld() {
  const world = worldOf(await serviceFixture(catalog));
  return { world, rates: world.client(TaxRatesService) };
}

export const catalogScenarios: readonly Scenario[] = [
  {
    method: "ordermesh.catalog.v1.TaxRatesService/PutTaxRate",
    resourceKind: "tax_rate",
    prepare: async () => {
      const { world, rates } = await taxWorld();
      const put = async () => {
        await rates.putTaxRate({ rate });
        return rateId;
      };
      return { ...world, change: put };
    },
  },
  {
    method: "ordermesh.catalog.v1.TaxRatesService/DeleteTaxRate",
    resourceKind: "tax_rate",
    prepare: async () => {
      const { world, rates } = await taxWorld();
      await rates.putTaxRate({ rate });
      const remove = async () => {
        await rates.deleteTaxRate(key);
        return rateId;
      };
      return { ...world, change: remove };
    },
  },
];
