// PlaceOrder: asks what has to be known, decides, and commits together with whoever places at the same moment.
import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { Code, type Client } from "@connectrpc/connect";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { PlaceOrderRequestSchema, type PlaceOrderRequest } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { ShippingMethod } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { PreconditionFailureSchema } from "#gen/google/rpc/error_details_pb.ts";
import type { Address } from "#gen/ordermesh/type/v1/address_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { newId } from "#runtime/ids.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { priceOrder, totalMax, unitsOf, type PricingOutcome, type WantedItem } from "../domain/place.ts";
import { createPlacements, type Placement } from "../events/place.ts";
import { readOrder, readOrderOfRequest, type OrderRow } from "../store/read.ts";
import type { AddressRow, OrdersTables } from "../store/tables.ts";
import { asPlaced } from "./order-message.ts";

interface Deps {
  runtime: ServiceRuntime<OrdersTables>;
  /** How long an order may be pending. Milliseconds. */
  orderLifeMs: number;
}

type Ask = (request: PlaceOrderRequest) => Promise<OrderRow>;

/** Answers the order as placed. A request_id that came before gets the first answer. */
export function placeOrder({ runtime, orderLifeMs }: Deps): Ask {
  const catalog = runtime.client(CatalogService);
  const inventory = runtime.client(InventoryService);
  const shipping = runtime.client(ShippingService);
  const placements = createPlacements(runtime);

  const firstAnswer = async (request: PlaceOrderRequest): Promise<OrderRow | undefined> => {
    if (request.requestId === "") return undefined;
    const { tenant } = currentRequest();
    const row = await readOrderOfRequest(runtime.db, { tenant, requestId: request.requestId });
    if (!row) return undefined;
    if (!row.request_hash?.equals(contentHash(request))) throw requestIdReused(request.requestId);
    return asPlaced(row);
  };

  const price = async (request: PlaceOrderRequest): Promise<Extract<PricingOutcome, { kind: "priced" }>> => {
    const wanted = request.items.map((item) => ({ sku: item.sku, quantity: Number(item.quantity) }));
    const asked = [
      askPrices(catalog, request, wanted),
      askShippingCost(shipping, request, wanted),
      askAvailability(inventory, request),
    ] as const;
    // All at once, but the refusals in this order: a SKU that does not exist is not merely out of stock.
    await Promise.allSettled(asked);
    const [prices, shippingCost] = [await asked[0], await asked[1]];
    await asked[2];
    const expectedTotal = request.expectedTotal && expectedMinorUnits(request, request.expectedTotal);
    return pricedOrRefused(priceOrder({ wanted, prices, shippingCost, expectedTotal }), request);
  };

  return async (request) => {
    const known = await firstAnswer(request);
    if (known) return known;
    const priced = await price(request).catch(async (error: unknown) => {
      // A repeat that comes while the first one is accepted may find its stock taken, by the first one.
      const accepted = await firstAnswer(request);
      if (accepted) return accepted;
      throw error;
    });
    if ("order_id" in priced) return priced;
    const placement = newPlacement(request, priced, { now: runtime.clock.now(), orderLifeMs });
    const placed = await placements.add(placement);
    if (placed.kind === "inserted") {
      const row = await readOrder(runtime.db, placement.order);
      if (row) return asPlaced(row);
    }
    const first = await firstAnswer(request);
    if (!first) throw new Error(`order ${placement.order.orderId} was neither inserted nor claimed by another request`);
    return first;
  };
}

function newPlacement(
  request: PlaceOrderRequest,
  priced: Extract<PricingOutcome, { kind: "priced" }>,
  { now, orderLifeMs }: { now: Date; orderLifeMs: number },
): Placement {
  const { items, subtotal, shippingCost, total } = priced;
  return {
    order: {
      tenant: currentRequest().tenant,
      orderId: newId("ord"),
      customerId: request.customerId,
      currencyCode: request.currency,
      items,
      subtotal,
      shippingCost,
      total,
      shippingMethod: request.shippingMethod === ShippingMethod.EXPRESS ? "EXPRESS" : "STANDARD",
      shippingAddress: request.shippingAddress && addressRow(request.shippingAddress),
      paymentToken: request.paymentToken,
      requestId: request.requestId,
      requestHash: contentHash(request),
      createTime: now,
      expireTime: new Date(now.getTime() + orderLifeMs),
    },
    screening: { paymentMethodBin: request.paymentMethodBin, deviceFingerprint: request.deviceFingerprint },
    cause: requestCause(),
  };
}

function addressRow({ $typeName: _type, $unknown: _unknown, ...fields }: Address): AddressRow {
  return fields;
}

/** The same request always has the same bytes: fields in order, no maps. */
function contentHash(request: PlaceOrderRequest): Buffer {
  return createHash("sha256").update(toBinary(PlaceOrderRequestSchema, request)).digest();
}

async function askPrices(
  catalog: Client<typeof CatalogService>,
  request: PlaceOrderRequest,
  wanted: readonly WantedItem[],
): Promise<Map<string, { title: string; unitPrice: number }>> {
  const skus = [...new Set(wanted.map((item) => item.sku))];
  const found = await catalog.batchGetPrices({ currencyCode: request.currency, skus });
  if (found.unknownSkus.length > 0) {
    const list = found.unknownSkus.join(", ");
    throw refuse(Code.NotFound, "PRODUCT_NOT_FOUND", `no product has SKU ${list}`, { skus: list });
  }
  if (found.skusWithoutPrice.length > 0) {
    const list = found.skusWithoutPrice.join(", ");
    const message = `${list} cannot be bought in ${request.currency}`;
    throw refuse(Code.FailedPrecondition, "CURRENCY_NOT_SOLD", message, { skus: list, currency: request.currency });
  }
  return new Map(
    found.prices.map(({ sku, title, unitPrice }) => [sku, { title, unitPrice: Number(unitPrice?.minorUnits ?? 0n) }]),
  );
}

async function askShippingCost(
  shipping: Client<typeof ShippingService>,
  request: PlaceOrderRequest,
  wanted: readonly WantedItem[],
): Promise<number> {
  const method = request.shippingMethod === ShippingMethod.EXPRESS ? ShippingMethod.EXPRESS : ShippingMethod.STANDARD;
  const { rates } = await shipping.quoteRates({
    currencyCode: request.currency,
    units: BigInt(unitsOf(wanted)),
    countryCode: request.shippingAddress?.countryCode ?? "",
  });
  const cost = rates.find((rate) => rate.method === method)?.cost;
  if (!cost) {
    const metadata = { currency: request.currency, method: method === ShippingMethod.EXPRESS ? "EXPRESS" : "STANDARD" };
    throw refuse(Code.FailedPrecondition, "NO_SHIPPING_RATE", `nothing is sent there by ${metadata.method}`, metadata);
  }
  return Number(cost.minorUnits);
}

async function askAvailability(inventory: Client<typeof InventoryService>, request: PlaceOrderRequest): Promise<void> {
  const { available, shortages } = await inventory.checkAvailability({
    items: request.items.map((item) => ({ sku: item.sku, quantity: item.quantity })),
  });
  if (available) return;
  const words = shortages.map((short) => `${short.sku} (${short.requested} asked, ${short.available} available)`);
  throw refuse(
    Code.Aborted,
    "STOCK_UNAVAILABLE",
    `not enough stock: ${words.join(", ")}`,
    Object.fromEntries(shortages.map((short) => [short.sku, `${short.requested} asked, ${short.available} available`])),
    [
      {
        desc: PreconditionFailureSchema,
        value: {
          violations: shortages.map((short) => ({
            type: "STOCK",
            subject: short.sku,
            description: `${short.requested} asked, ${short.available} available`,
          })),
        },
      },
    ],
  );
}

function expectedMinorUnits(request: PlaceOrderRequest, expected: { currencyCode: string; minorUnits: bigint }): number {
  if (expected.currencyCode !== request.currency) {
    const metadata = { currency: request.currency, expected: expected.currencyCode };
    throw refuse(Code.InvalidArgument, "CURRENCY_MISMATCH", "expected_total is not in the order's currency", metadata);
  }
  return Number(expected.minorUnits);
}

function pricedOrRefused(outcome: PricingOutcome, request: PlaceOrderRequest): Extract<PricingOutcome, { kind: "priced" }> {
  switch (outcome.kind) {
    case "priced":
      return outcome;
    case "too_large":
      throw refuse(Code.FailedPrecondition, "TOTAL_TOO_LARGE", "the order comes to more than one order may", {
        max: String(totalMax),
      });
    case "not_as_expected": {
      const metadata = {
        total: String(outcome.total),
        expected: String(request.expectedTotal?.minorUnits ?? ""),
        currency: request.currency,
      };
      throw refuse(Code.FailedPrecondition, "TOTAL_MISMATCH", "the order comes to another total than expected", metadata);
    }
  }
}

export function requestIdReused(requestId: string): Error {
  return refuse(Code.AlreadyExists, "REQUEST_ID_REUSED", "this request_id came before with other content", { requestId });
}
