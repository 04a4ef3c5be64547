import { Code, ConnectError, type Client } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { refusalWithMetadata } from "../../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../../test/support/service-fixture.ts";
import { catalog as definition } from "../main.ts";
import type { CatalogTables } from "../store/tables.ts";

let catalog: ServiceFixture<CatalogTables>;
let client: Client<typeof CatalogService>;
beforeAll(async () => {
  catalog = await serviceFixture(definition);
  client = catalog.client(CatalogService);
});
afterAll(() => catalog.close());

const dollars = (minorUnits: bigint) => ({ currencyCode: "USD", minorUnits });
const thing = (sku: string, initialStock = 1n) => ({ variant: { sku, prices: [dollars(100n)] }, initialStock });

test("a product is made with its variants and prices, and read as it was answered", async () => {
  const { product } = await client.createProduct({
    title: "Wool sweater",
    description: "Warm.",
    variants: [
      { variant: { sku: "SW-B", title: "Blue, L", prices: [dollars(9_900n), { currencyCode: "JPY", minorUnits: 14_000n }] } },
      { variant: { sku: "SW-A", title: "Grey, L", prices: [dollars(9_500n)] }, initialStock: 12n },
    ],
  });
  expect(product?.productId).toMatch(/^prod_/);
  expect(product).toMatchObject({
    title: "Wool sweater",
    description: "Warm.",
    variants: [
      { sku: "SW-B", title: "Blue, L", prices: [{ currencyCode: "JPY", minorUnits: 14_000n }, dollars(9_900n)] },
      { sku: "SW-A", title: "Grey, L", prices: [dollars(9_500n)] },
    ],
  });
  const read = await client.getProduct({ productId: product?.productId ?? "" });
  expect(read.product).toEqual(product);
});

test("a new product is told once, with the stock that it starts with", async () => {
  const { product } = await client.createProduct({ title: "Told", variants: [thing("TOLD-1", 7n), thing("TOLD-2", 0n)] });
  const events = (await catalog.sent()).filter(({ key }) => key === product?.productId);
  expect(events).toMatchObject([
    {
      typeName: "ordermesh.catalog.events.v1.ProductCreated",
      sequence: 1,
      causeId: expect.stringMatching(/^req_/),
      message: {
        title: "Told",
        variants: [
          { sku: "TOLD-1", initialStock: 7n, prices: [dollars(100n)] },
          { sku: "TOLD-2", initialStock: 0n },
        ],
        createTime: product?.createTime,
      },
    },
  ]);
});

test("a SKU belongs to one product, and a product that wants it makes nothing", async () => {
  await client.createProduct({ title: "First", variants: [thing("MINE")] });
  const second = client.createProduct({ title: "Second", requestId: "taken-1", variants: [thing("FREE"), thing("MINE")] });
  expect(await refusalWithMetadata(second)).toEqual({
    code: Code.AlreadyExists,
    reason: "SKU_TAKEN",
    metadata: { skus: "MINE" },
  });
  const { unknownSkus } = await client.batchGetPrices({ currencyCode: "USD", skus: ["FREE"] });
  expect(unknownSkus).toEqual(["FREE"]);
  expect((await catalog.sent()).filter(({ message }) => message["title"] === "Second")).toEqual([]);
  // The request failed, so its id may be used again.
  await client.createProduct({ title: "Second", requestId: "taken-1", variants: [thing("FREE")] });
});

test("of twenty products that want the same SKUs at the same time one is made", async () => {
  const wanted = ["RACE-1", "RACE-2", "RACE-3"];
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) => {
      const skus = index % 2 === 0 ? wanted : wanted.toReversed();
      return client.createProduct({ title: `Race ${index}`, variants: skus.map((sku) => thing(sku)) });
    }),
  );
  const refusals = results.flatMap((result) => (result.status === "rejected" ? [ConnectError.from(result.reason).code] : []));
  expect(refusals).toEqual(Array.from({ length: 19 }, () => Code.AlreadyExists));
});

test("fifty repeats of one request at the same time make one product, and all get its answer", async () => {
  const request = { title: "Repeated", requestId: "repeat-1", variants: [thing("REPEAT")] };
  const answers = await Promise.all(Array.from({ length: 50 }, () => client.createProduct(request)));
  const [first] = answers;
  for (const answer of answers) expect(answer).toEqual(first);
  expect((await catalog.sent()).filter(({ message }) => message["title"] === "Repeated")).toHaveLength(1);
});

test.each([
  { what: "title", other: { title: "Other" } },
  { what: "description", other: { description: "Other" } },
  { what: "SKU", other: { variants: [thing("REUSED-2")] } },
  { what: "first stock", other: { variants: [thing("REUSED-1", 2n)] } },
  { what: "price", other: { variants: [{ variant: { sku: "REUSED-1", prices: [dollars(101n)] }, initialStock: 1n }] } },
])("a request id with another $what is refused", async ({ other }) => {
  const request = { title: "Reused", requestId: "reused-1", variants: [thing("REUSED-1")] };
  await client.createProduct(request);
  expect(await refusalWithMetadata(client.createProduct({ ...request, ...other }))).toMatchObject({
    code: Code.AlreadyExists,
    reason: "REQUEST_ID_REUSED",
  });
});

test("a product that does not exist is not found", async () => {
  expect(await refusalWithMetadata(client.getProduct({ productId: "prod_ghost" }))).toMatchObject({
    code: Code.NotFound,
    reason: "PRODUCT_NOT_FOUND",
  });
});

test("pages hold every product once, newest first", async () => {
  const fresh = await serviceFixture(definition);
  const client = fresh.client(CatalogService);
  expect(await client.listProducts({})).toMatchObject({ products: [], nextPageToken: "" });
  for (let index = 1; index <= 7; index += 1) await client.createProduct({ title: `P${index}`, variants: [thing(`P-${index}`)] });
  const titles: string[] = [];
  let pageToken = "";
  do {
    const page = await client.listProducts({ pageSize: 3, pageToken });
    titles.push(...page.products.map(({ title }) => title));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(titles).toEqual(["P7", "P6", "P5", "P4", "P3", "P2", "P1"]);
  const whole = await client.listProducts({ pageSize: 7 });
  expect(whole.nextPageToken).toBe("");
  expect(whole.products[0]?.variants).toMatchObject([{ sku: "P-7", prices: [dollars(100n)] }]);
  await fresh.close();
});

test.each(["!", "bm9 uc2Vuc2U", Buffer.from("a b").toString("base64url")])(
  "a page token that we did not give is refused: %s",
  async (pageToken) => {
    expect(await refusalWithMetadata(client.listProducts({ pageToken }))).toMatchObject({
      code: Code.InvalidArgument,
      reason: "PAGE_TOKEN_INVALID",
    });
  },
);

test("prices come in the order asked, with the line's title; the rest is named as what it is", async () => {
  await client.createProduct({
    title: "Bowl",
    variants: [
      { variant: { sku: "BOWL-S", title: "Small", prices: [dollars(500n)] } },
      { variant: { sku: "BOWL-L", title: "Large", prices: [{ currencyCode: "EUR", minorUnits: 900n }] } },
    ],
  });
  await client.createProduct({ title: "Spoon", variants: [{ variant: { sku: "SPOON", prices: [dollars(150n)] } }] });
  const skus = ["SPOON", "ghost", "BOWL-L", "BOWL-S", "SPOON"];
  const answer = await client.batchGetPrices({ currencyCode: "USD", skus });
  expect(answer).toMatchObject({
    prices: [
      { sku: "SPOON", title: "Spoon", unitPrice: dollars(150n) },
      { sku: "BOWL-S", title: "Bowl (Small)", unitPrice: dollars(500n) },
    ],
    unknownSkus: ["ghost"],
    skusWithoutPrice: ["BOWL-L"],
  });
});

test("what a unit weighs is kept and comes with its price; a repeat of other weight is another product", async () => {
  const heavy = { sku: "HEAVY", prices: [dollars(100n)], weightGrams: 2_500n };
  const request = { title: "Anvil", requestId: "anvil", variants: [{ variant: heavy }, thing("LIGHT")] };
  const { product } = await client.createProduct(request);
  expect(product?.variants.map(({ weightGrams }) => weightGrams)).toEqual([2_500n, 0n]);
  const { prices } = await client.batchGetPrices({ currencyCode: "USD", skus: ["HEAVY", "LIGHT"] });
  expect(prices.map(({ weightGrams }) => weightGrams)).toEqual([2_500n, 0n]);
  expect((await client.createProduct(request)).product).toEqual(product);
  const other = { ...request, variants: [{ variant: { ...heavy, weightGrams: 1n } }, thing("LIGHT")] };
  expect(await refusalWithMetadata(client.createProduct(other))).toMatchObject({ reason: "REQUEST_ID_REUSED" });
});
