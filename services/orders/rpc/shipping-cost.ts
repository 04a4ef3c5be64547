// What shipping asks for a parcel, as it told us last for the same kind of parcel.
import { Code } from "@connectrpc/connect";
import { LRUCache } from "lru-cache";
import type { PlaceOrderRequest } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { ShippingMethod } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { unitsOf, weightOf, type WantedItem } from "../domain/place.ts";
import type { OrdersTables } from "../store/tables.ts";
import type { KnownPrice } from "./prices.ts";

const quotesMax = 10_000;
/** Nobody tells of new rates: they are known after this time. Milliseconds. */
const quotesKeptMs = 30_000;

/** Minor units for each method that goes there. */
type Quote = ReadonlyMap<ShippingMethod, number>;

/** Answers the cost in minor units; refuses where nothing goes there. */
export type AskShippingCost = (
  request: Pick<PlaceOrderRequest, "currency" | "shippingMethod"> & { shippingAddress?: { countryCode: string } | undefined },
  wanted: readonly WantedItem[],
  /** What the items weigh comes with what they cost. */
  priced: Promise<ReadonlyMap<string, KnownPrice>>,
) => Promise<number>;

export function createShippingCost(runtime: Pick<ServiceRuntime<OrdersTables>, "client">): AskShippingCost {
  const shipping = runtime.client(ShippingService);
  const quotes = new LRUCache<string, Quote>({ max: quotesMax, ttl: quotesKeptMs });

  return async ({ currency, shippingAddress, shippingMethod }, wanted, priced) => {
    const known = await priced;
    const units = unitsOf(wanted);
    const weightGrams = weightOf(wanted, known);
    const countryCode = shippingAddress?.countryCode ?? "";
    const key = JSON.stringify([currentRequest().tenant, currency, countryCode, units, weightGrams]);
    let quote = quotes.get(key);
    if (!quote) {
      const parcel = { currencyCode: currency, units: BigInt(units), countryCode, weightGrams: BigInt(weightGrams) };
      const { rates } = await shipping.quoteRates(parcel);
      quote = new Map(rates.map(({ method, cost }) => [method, Number(cost?.minorUnits ?? 0n)]));
      quotes.set(key, quote);
    }
    const method = shippingMethod === ShippingMethod.EXPRESS ? ShippingMethod.EXPRESS : ShippingMethod.STANDARD;
    const cost = quote.get(method);
    if (cost !== undefined) return cost;
    const metadata = { currency, method: method === ShippingMethod.EXPRESS ? "EXPRESS" : "STANDARD" };
    throw refuse(Code.FailedPrecondition, "NO_SHIPPING_RATE", `nothing is sent there by ${metadata.method}`, metadata);
  };
}
