import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { TaxRatesService } from "#gen/ordermesh/catalog/v1/tax_rates_service_pb.ts";
import { refusal } from "../../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../../test/support/service-fixture.ts";
import { catalog as definition } from "../main.ts";
import type { CatalogTables } from "../store/tables.ts";

let catalog: ServiceFixture<CatalogTables>;
beforeAll(async () => {
  catalog = await serviceFixture(definition, { as: "operator" });
});
afterAll(() => catalog.close());

const rates = () => catalog.client(TaxRatesService);
const german = { countryCode: "DE", region: "", taxClass: "STANDARD", rate: 1_900, pricesInclude: true, name: "MwSt." };
const ofBavaria = { ...german, region: "BAYERN", rate: 0 };

test("rates are put, taken the place of, listed in order and taken away; regions are kept in upper case", async () => {
  await rates().putTaxRate({ rate: { ...german, rate: 1_600 } });
  await rates().putTaxRate({ rate: german });
  expect((await rates().putTaxRate({ rate: { ...ofBavaria, region: " Bayern " } })).rate).toMatchObject(ofBavaria);
  const austrian = { ...german, countryCode: "AT", rate: 2_000, name: "USt." };
  await rates().putTaxRate({ rate: austrian });
  expect((await rates().listTaxRates({})).rates).toMatchObject([austrian, german, ofBavaria]);
  await rates().deleteTaxRate({ countryCode: "DE", region: "bayern", taxClass: "STANDARD" });
  expect((await rates().listTaxRates({})).rates).toMatchObject([austrian, german]);
  expect((await catalog.clientOf("other", TaxRatesService).listTaxRates({})).rates).toEqual([]);
});

test("what is not there cannot be taken away, and there are not to be more than all can be told", async () => {
  const key = { countryCode: "FR", region: "", taxClass: "BOOKS" };
  expect(await refusal(rates().deleteTaxRate(key))).toMatchObject({ reason: "TAX_RATE_NOT_FOUND" });
  await sql`
    insert into tax_rate select 'demo', 'US', 'R' || number, 'STANDARD', 100, false, 'sales tax'
    from generate_series(1, 2000) as number`.execute(catalog.runtime.db);
  expect(await refusal(rates().putTaxRate({ rate: { ...german, ...key } }))).toMatchObject({ reason: "TAX_RATES_TOO_MANY" });
  // One that is there already may change.
  await rates().putTaxRate({ rate: german });
  await sql`delete from tax_rate where country_code = 'US'`.execute(catalog.runtime.db);
});

test.each([
  { what: "more than all of the price", change: { rate: 10_001 } },
  { what: "less than nothing", change: { rate: -1 } },
  { what: "no country", change: { countryCode: "Germany" } },
  { what: "a class in lower case", change: { taxClass: "reduced" } },
  { what: "no name", change: { name: "" } },
])("a rate of $what is refused", async ({ change }) => {
  await expect(rates().putTaxRate({ rate: { ...german, ...change } })).rejects.toThrow(/invalid_argument/);
});

test("a variant has a class, STANDARD where it names none, which comes with its price", async () => {
  const client = catalog.client(CatalogService);
  const variant = (sku: string, taxClass = "") => ({ sku, taxClass, prices: [{ currencyCode: "EUR", minorUnits: 100n }] });
  const request = {
    title: "Book",
    requestId: "book",
    variants: [{ variant: variant("BOOK", "REDUCED") }, { variant: variant("PEN") }],
  };
  const { product } = await client.createProduct(request);
  expect(product?.variants.map(({ taxClass }) => taxClass)).toEqual(["REDUCED", "STANDARD"]);
  const { prices } = await client.batchGetPrices({ currencyCode: "EUR", skus: ["PEN", "BOOK"] });
  expect(prices.map(({ taxClass }) => taxClass)).toEqual(["STANDARD", "REDUCED"]);
  expect((await client.createProduct(request)).product).toEqual(product);
  const named = { ...request, variants: [{ variant: variant("BOOK", "REDUCED") }, { variant: variant("PEN", "STANDARD") }] };
  expect((await client.createProduct(named)).product).toEqual(product);
  const other = { ...request, variants: [{ variant: variant("BOOK") }, { variant: variant("PEN") }] };
  expect(await refusal(client.createProduct(other))).toMatchObject({ reason: "REQUEST_ID_REUSED" });
});
