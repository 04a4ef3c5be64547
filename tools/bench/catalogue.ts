// What the benchmark's orders are for.
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { operatorTransport } from "../operator.ts";

const variantsPerProduct = 10;
const stockedMsMax = 30_000;
/** More than any run sells. */
export const unitsOfEach = 1_000_000;
export const benchSkus: readonly string[] = Array.from({ length: 100 }, (_, index) => `BENCH-${index}`);

/** Makes the products, and waits until their stock is there. */
export async function stockCatalogue(rpcUrl: string, inventoryUrl = rpcUrl): Promise<void> {
  const catalog = createClient(CatalogService, operatorTransport(rpcUrl));
  const inventory = createClient(InventoryService, operatorTransport(inventoryUrl, rpcUrl));
  const prices = [{ currencyCode: "EUR", minorUnits: 500n }];
  for (let start = 0; start < benchSkus.length; start += variantsPerProduct) {
    const skus = benchSkus.slice(start, start + variantsPerProduct);
    await catalog.createProduct({
      title: "for the benchmark",
      variants: skus.map((sku) => ({
        variant: { sku, prices, options: [{ name: "number", value: sku }] },
        initialStock: BigInt(unitsOfEach),
      })),
    });
  }
  const untilMs = performance.now() + stockedMsMax;
  for (;;) {
    const answers = await Promise.allSettled(benchSkus.map((sku) => inventory.getStock({ sku })));
    if (answers.every(({ status }) => status === "fulfilled")) return;
    if (performance.now() > untilMs) throw new Error("the benchmark's stock did not arrive");
    await sleep(20);
  }
}
