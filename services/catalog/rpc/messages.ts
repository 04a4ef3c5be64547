// Products and prices as the contract's messages.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ProductSchema } from "#gen/ordermesh/catalog/v1/product_pb.ts";
import type { MoneySchema } from "#gen/ordermesh/type/v1/money_pb.ts";
import type { Price } from "../domain.ts";
import type { Product } from "../store/read.ts";

export function moneyMessage({ currencyCode, minorUnits }: Price): MessageInitShape<typeof MoneySchema> {
  return { currencyCode, minorUnits: BigInt(minorUnits) };
}

export function productMessage(product: Product): MessageInitShape<typeof ProductSchema> {
  const { productId, title, description, createTime, image, variants } = product;
  return {
    productId,
    title,
    description,
    variants: variants.map(({ sku, title: form, prices, weightGrams, taxClass }) => ({
      sku,
      title: form,
      prices: prices.map(moneyMessage),
      weightGrams: BigInt(weightGrams),
      taxClass,
    })),
    createTime: timestampFromDate(createTime),
    ...(image && { image }),
  };
}
