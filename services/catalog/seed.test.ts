import { expect, test } from "vitest";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { serviceFixture } from "../../test/support/service-fixture.ts";
import { catalog as definition } from "./main.ts";
import { seedCatalogue, seedProducts } from "./seed.ts";

const variants = seedProducts.flatMap((product) => product.variants);
const stockOf = (sku: string): number | undefined => variants.find((variant) => variant.sku === sku)?.stock;

test("there are enough products, each SKU and each request id once", () => {
  expect(seedProducts.length).toBeGreaterThanOrEqual(55);
  expect(new Set(variants.map(({ sku }) => sku)).size).toBe(variants.length);
  expect(new Set(seedProducts.map(({ slug }) => slug)).size).toBe(seedProducts.length);
});

test.each([
  ["MUG-BLUE", 500],
  ["LAST-ONE-1", 1],
  ["SOLD-OUT-1", 0],
])("%s starts with %i", (sku, want) => {
  expect(stockOf(sku)).toBe(want);
});

test("one unit is left of one thing, few of some, and plenty of most", () => {
  const counts = variants.map(({ stock }) => stock);
  expect(counts.filter((stock) => stock === 1)).toHaveLength(1);
  expect(counts.filter((stock) => stock === 0)).toHaveLength(2);
  expect(counts.filter((stock) => stock >= 3 && stock <= 8).length).toBeGreaterThanOrEqual(5);
  expect(counts.filter((stock) => stock > 8).every((stock) => stock >= 20 && stock <= 500)).toBe(true);
});

test("a second start makes nothing, and what others took meanwhile stays theirs", async () => {
  const catalog = await serviceFixture(definition);
  const client = catalog.client(CatalogService);
  await client.createProduct({
    title: "My own bell",
    variants: [{ variant: { sku: "BELL", prices: [{ currencyCode: "USD", minorUnits: 1n }] } }],
  });
  const progress: string[] = [];
  await seedCatalogue(client, (message) => progress.push(message));
  const first = await client.listProducts({ pageSize: 200 });
  await seedCatalogue(client);
  const second = await client.listProducts({ pageSize: 200 });
  expect(second).toEqual(first);
  expect(first.products).toHaveLength(seedProducts.length);
  expect(await catalog.sent()).toHaveLength(seedProducts.length);
  expect(progress).toEqual([expect.stringContaining("1 were left as they are")]);
  await catalog.close();
});

test.each([
  { currencyCode: "USD", minorUnits: 1250n },
  { currencyCode: "EUR", minorUnits: 1190n },
  { currencyCode: "GBP", minorUnits: 990n },
  { currencyCode: "JPY", minorUnits: 1800n },
])("the blue mug costs $minorUnits $currencyCode", async (want) => {
  const catalog = await serviceFixture(definition);
  const client = catalog.client(CatalogService);
  await seedCatalogue(client);
  const answer = await client.batchGetPrices({ currencyCode: want.currencyCode, skus: ["MUG-BLUE", "TSHIRT-BLACK-M"] });
  expect(answer.prices).toMatchObject([
    { title: "Stoneware mug (Blue)", unitPrice: want },
    { title: "Organic cotton T-shirt (Black, M)" },
  ]);
  await catalog.close();
});
