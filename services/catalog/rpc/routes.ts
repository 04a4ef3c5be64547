// What the catalogue offers to callers.
import { Code, type ConnectRouter } from "@connectrpc/connect";
import type { Kysely } from "kysely";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { lineTitle, sortPrices, standardTaxClass } from "../domain.ts";
import { readPrices, readProduct, readProducts } from "../store/read.ts";
import type { CatalogTables } from "../store/tables.ts";
import { productCreator, type CreateDeps } from "./create-product.ts";
import { moneyMessage, productMessage } from "./messages.ts";

export function catalogRoutes(deps: CreateDeps & { db: Kysely<CatalogTables> }): (router: ConnectRouter) => void {
  const { db } = deps;
  const createProduct = productCreator(deps);

  return (router) =>
    router.service(CatalogService, {
      async createProduct(request) {
        return { product: productMessage(await createProduct(request)) };
      },

      async getProduct({ productId }) {
        const product = await readProduct(db, { tenant: currentRequest().tenant, productId });
        if (!product) throw refuse(Code.NotFound, "PRODUCT_NOT_FOUND", `there is no product ${productId}`, { productId });
        return { product: productMessage(product) };
      },

      async listProducts({ pageSize, pageToken }) {
        const rowsWanted = pageSizeOf(pageSize);
        const before = readPageToken(pageToken);
        // One row more than a page tells whether there is another.
        const rows = await readProducts(db, { tenant: currentRequest().tenant, before, rowsMax: rowsWanted + 1 });
        const page = cutPage(rows, rowsWanted, ({ productId }) => productId);
        return { products: page.rows.map(productMessage), nextPageToken: page.nextPageToken };
      },

      async batchGetPrices({ currencyCode, skus }) {
        const wanted = { tenant: currentRequest().tenant, currencyCode, skus: [...new Set(skus)] };
        const sorted = sortPrices(
          (await readPrices(db, wanted)).map(({ sku, product, variant, minorUnits, weightGrams, taxClass }) => ({
            sku,
            title: product === null ? undefined : lineTitle({ product, variant: variant ?? "" }),
            minorUnits: minorUnits ?? undefined,
            weightGrams: weightGrams ?? 0,
            taxClass: taxClass ?? standardTaxClass,
          })),
        );
        return {
          prices: sorted.found.map(({ sku, title, minorUnits, weightGrams, taxClass }) => ({
            sku,
            title,
            unitPrice: moneyMessage({ currencyCode, minorUnits }),
            weightGrams: BigInt(weightGrams),
            taxClass,
          })),
          unknownSkus: sorted.unknown,
          skusWithoutPrice: sorted.withoutPrice,
        };
      },
    });
}
