// CreateProduct: SKUs are unique in the shop, and a request makes one product however often it comes.
import { createHash } from "node:crypto";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import type { CreateProductRequest } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { ProductSchema } from "#gen/ordermesh/catalog/v1/product_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import type { Clock } from "#runtime/clock.ts";
import { refuse } from "#runtime/errors.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, requestCause, type OutgoingEvent } from "#runtime/events/outgoing.ts";
import { newId } from "#runtime/ids.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { sortByCurrency, standardTaxClass } from "../domain.ts";
import { claimRequest, insertProduct } from "../store/create.ts";
import { readProduct, type Product } from "../store/read.ts";
import type { CatalogTables } from "../store/tables.ts";
import { moneyMessage, productMessage } from "./messages.ts";

export interface CreateDeps {
  transaction<Result>(work: (tx: Transaction<CatalogTables>) => Promise<Result>): Promise<Result>;
  clock: Clock;
}

/** A product with the stock that its variants start with, in their order. */
interface NewProduct {
  product: Product;
  initialStock: bigint[];
}

export function productCreator({ clock, ...deps }: CreateDeps): (request: CreateProductRequest) => Promise<Product> {
  return (request) =>
    deps.transaction(async (tx) => {
      const { tenant } = currentRequest();
      const { requestId } = request;
      const wanted = newProduct(request, clock.now());
      const { product } = wanted;
      if (requestId !== "") {
        const contentHash = hashOf(wanted);
        const claim = await claimRequest(tx, { tenant, requestId, contentHash, productId: product.productId });
        if (claim.kind === "repeat") return firstAnswer(tx, tenant, claim.productId);
        if (claim.kind === "other_content") {
          throw refuse(Code.AlreadyExists, "REQUEST_ID_REUSED", "request_id was used for another product", { requestId });
        }
      }
      const taken = await insertProduct(tx, tenant, product);
      if (taken.length > 0) {
        const skus = taken.join(", ");
        throw refuse(Code.AlreadyExists, "SKU_TAKEN", `another product has ${skus}`, { skus });
      }
      await appendEvents(tx, [productCreated(wanted, tenant)]);
      const resource = { kind: "product", id: product.productId };
      await recordChange(tx, { resource, after: shown(ProductSchema, productMessage(product)) });
      return product;
    });
}

function newProduct({ title, description, variants }: CreateProductRequest, createTime: Date): NewProduct {
  const product = {
    productId: newId("prod"),
    title,
    description,
    createTime,
    image: null,
    variants: variants.map(({ variant }) => ({
      sku: variant?.sku ?? "",
      title: variant?.title ?? "",
      weightGrams: Number(variant?.weightGrams ?? 0n),
      taxClass: variant?.taxClass || standardTaxClass,
      prices: sortByCurrency(
        (variant?.prices ?? []).map(({ currencyCode, minorUnits }) => ({ currencyCode, minorUnits: Number(minorUnits) })),
      ),
    })),
  };
  return { product, initialStock: variants.map(({ initialStock }) => initialStock) };
}

/** Two requests with the same hash ask for the same product. One without weights and classes of tax has the hash that it had
 * before there were any. */
function hashOf({ product, initialStock }: NewProduct): Buffer {
  const { title, description } = product;
  const variants = product.variants.map(({ sku, title: form, prices, weightGrams, taxClass }) => ({
    sku,
    title: form,
    prices,
    ...(weightGrams > 0 && { weightGrams }),
    ...(taxClass !== standardTaxClass && { taxClass }),
  }));
  return createHash("sha256")
    .update(JSON.stringify([title, description, variants, initialStock.map(String)]))
    .digest();
}

async function firstAnswer(tx: Transaction<CatalogTables>, tenant: string, productId: string): Promise<Product> {
  const product = await readProduct(tx, { tenant, productId });
  if (!product) throw new Error(`product ${productId} of an earlier request has gone`);
  return product;
}

function productCreated({ product, initialStock }: NewProduct, tenant: string): OutgoingEvent {
  const { productId, title, createTime } = product;
  const variants = product.variants.map((variant, index) => ({
    sku: variant.sku,
    title: variant.title,
    prices: variant.prices.map(moneyMessage),
    initialStock: initialStock[index] ?? 0n,
  }));
  const message = { productId, title, variants, createTime: timestampFromDate(createTime) };
  return outgoing(ProductCreatedSchema, message, { tenant, sequence: 1, time: createTime, cause: requestCause() });
}
