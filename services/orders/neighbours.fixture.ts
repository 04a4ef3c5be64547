// What catalog, inventory and shipping answer while orders is tested alone; the whole mesh is tested in test/.
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { TaxRatesService } from "#gen/ordermesh/catalog/v1/tax_rates_service_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { ShippingMethod } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import type { TaxRate } from "./domain/tax.ts";

export interface Neighbours {
  prices: Map<string, bigint>;
  stock: Map<string, bigint>;
  /** Orders whose parcel has left. */
  dispatched: Set<string>;
  stopped: { orderId: string; reason: string }[];
  /** Answered instead of stopping. */
  stopFault: Error | undefined;
  taxRates: TaxRate[];
  /** By SKU; STANDARD for all else. */
  taxClasses: Map<string, string>;
  /** How often the rates were asked for. */
  taxQuestions: number;
  /** Answered instead of the rates. */
  taxFault: Error | undefined;
  routes(router: ConnectRouter): void;
}

export function neighbours(): Neighbours {
  const prices = new Map([
    ["MUG", 1250n],
    ["TEA", 499n],
    ["CUP", 700n],
  ]);
  // All else is not sold for yen.
  const isSold = (sku: string, currencyCode: string): boolean => currencyCode !== "JPY" || sku === "CUP";
  const stock = new Map([
    ["MUG", 100n],
    ["TEA", 2n],
    ["CUP", 100n],
  ]);
  const dispatched = new Set<string>();
  const stopped: { orderId: string; reason: string }[] = [];
  const taxClasses = new Map<string, string>();
  const around: Neighbours = {
    prices,
    stock,
    dispatched,
    stopped,
    stopFault: undefined,
    taxRates: [],
    taxClasses,
    taxQuestions: 0,
    taxFault: undefined,
    routes: (router) => {
      router.service(TaxRatesService, {
        listTaxRates: () => {
          around.taxQuestions += 1;
          if (around.taxFault) throw around.taxFault;
          return { rates: around.taxRates };
        },
      });
      router.service(CatalogService, {
        batchGetPrices: ({ skus, currencyCode }) => ({
          prices: skus.flatMap((sku) => {
            const minorUnits = prices.get(sku);
            return minorUnits === undefined || !isSold(sku, currencyCode)
              ? []
              : [{ sku, title: `The ${sku}`, unitPrice: { currencyCode, minorUnits }, taxClass: taxClasses.get(sku) ?? "" }];
          }),
          unknownSkus: skus.filter((sku) => !prices.has(sku)),
          skusWithoutPrice: skus.filter((sku) => prices.has(sku) && !isSold(sku, currencyCode)),
        }),
      });
      router.service(InventoryService, {
        batchGetAvailability: ({ skus }) => ({
          availabilities: skus.flatMap((sku) => {
            const available = stock.get(sku);
            return available === undefined ? [] : [{ sku, available }];
          }),
        }),
      });
      router.service(ShippingService, {
        quoteRates: ({ currencyCode }) => ({
          rates: [
            { method: ShippingMethod.STANDARD, cost: { currencyCode, minorUnits: 500n } },
            { method: ShippingMethod.EXPRESS, cost: { currencyCode, minorUnits: 1500n } },
          ],
        }),
        stopShipment: ({ orderId, reason }) => {
          if (around.stopFault) throw around.stopFault;
          if (dispatched.has(orderId)) throw refuse(Code.FailedPrecondition, "ALREADY_DISPATCHED", "it has left");
          stopped.push({ orderId, reason });
          return { shipment: { orderId } };
        },
      });
    },
  };
  return around;
}
