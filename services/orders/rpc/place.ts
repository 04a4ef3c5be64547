// PlaceOrder: asks what has to be known, decides, and commits together with whoever places at the same moment.
import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { PlaceOrderRequestSchema, type PlaceOrderRequest } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { ShippingMethod } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import type { Address } from "#gen/ordermesh/type/v1/address_pb.ts";
import { changeEntry } from "#runtime/audit-log/entry.ts";
import { refuse } from "#runtime/errors.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { newId } from "#runtime/ids.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { priceLines, priceOrder, totalMax, type PricingOutcome } from "../domain/place.ts";
import { createPlacements, type Placement } from "../events/place.ts";
import type { TaxProvider } from "../provider/tax.ts";
import { placedRow } from "../store/insert.ts";
import { readChanges, withContent } from "../store/order-changes.ts";
import { readOrderOfRequest, type OrderRow } from "../store/read.ts";
import type { AddressRow, OrdersTables } from "../store/tables.ts";
import { createAvailabilityCheck } from "./availability.ts";
import { asPlaced } from "./order-message.ts";
import { createPriceList } from "./prices.ts";
import { priorityName } from "./read.ts";
import { createShippingCost } from "./shipping-cost.ts";

interface Deps {
  runtime: ServiceRuntime<OrdersTables>;
  taxes: TaxProvider;
  /** Where orders go that do not say where they go. */
  shopCountryCode: string;
  /** How long an order may be pending. Milliseconds. */
  orderLifeMs: number;
}

/** An order may be accepted to begin so long from now. */
const scheduleDaysMax = 90;
const dayMs = 86_400_000;

export type Place = (request: PlaceOrderRequest) => Promise<OrderRow>;

/** Answers the order as placed. A request_id that came before gets the first answer. */
export function placeOrder({ runtime, taxes, shopCountryCode, orderLifeMs }: Deps): Place {
  const prices = createPriceList(runtime);
  const askShippingCost = createShippingCost(runtime);
  const checkAvailability = createAvailabilityCheck(runtime);
  const placements = createPlacements(runtime);

  const firstAnswer = async (request: PlaceOrderRequest): Promise<OrderRow | undefined> => {
    const { requestId, customerId } = request;
    if (requestId === "") return undefined;
    const { tenant } = currentRequest();
    const row = await readOrderOfRequest(runtime.db, { tenant, customerId, requestId });
    if (!row) return undefined;
    if (!row.request_hash?.equals(contentHash(request))) throw requestIdReused(requestId);
    const [change] = row.last_change_id === "" ? [] : await readChanges(runtime.db, tenant, [row.order_id]);
    return asPlaced(change ? withContent(row, change.before) : row);
  };

  const price = async (request: PlaceOrderRequest): Promise<Extract<PricingOutcome, { kind: "priced" }>> => {
    const wanted = request.items.map((item) => ({ sku: item.sku, quantity: Number(item.quantity) }));
    const skus = wanted.map(({ sku }) => sku);
    const priced = prices.pricesOf(request.currency, skus);
    const { countryCode = shopCountryCode, region = "" } = request.shippingAddress ?? {};
    const quoted = taxes.quoteFor({ countryCode, region });
    const asked = [priced, askShippingCost(request, wanted, priced), checkAvailability(wanted), quoted] as const;
    // All at once, but the refusals in this order: a SKU that does not exist is not merely out of stock.
    await Promise.allSettled(asked);
    const [known, shippingCost] = [await asked[0], await asked[1]];
    await asked[2];
    const quote = await asked[3];
    const lines = priceLines(wanted, known);
    const amounts = { lines: lines.map(({ taxClass, lineTotal: amount }) => ({ taxClass, amount })), shippingCost };
    const expectedTotal = request.expectedTotal && expectedMinorUnits(request, request.expectedTotal);
    return pricedOrRefused(priceOrder({ lines, shippingCost, taxes: await quote(amounts), expectedTotal }), request);
  };

  return async (request) => {
    refuseTooLate(request, runtime.clock.now());
    // Whether the request came before shows when its order is written: the rare repeat asks in vain, and nobody else waits.
    const priced = await price(request).catch(async (error: unknown) => {
      // A repeat may find the stock gone, or another price, and still gets its first answer.
      const accepted = await firstAnswer(request);
      if (accepted) return accepted;
      throw error;
    });
    if ("order_id" in priced) return priced;
    const placement = newPlacement(request, priced, { now: runtime.clock.now(), orderLifeMs });
    const placed = await placements.add(placement);
    if (placed.kind === "inserted") return placedRow(placement.order);
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
  const { items, subtotal, shippingCost, shippingTax, taxAdded, total } = priced;
  const orderId = newId("ord");
  const processAfter = startOf(request, now);
  return {
    order: {
      tenant: currentRequest().tenant,
      orderId,
      customerId: request.customerId,
      currencyCode: request.currency,
      items,
      subtotal,
      shippingCost,
      shippingTax,
      taxAdded,
      total,
      shippingMethod: request.shippingMethod === ShippingMethod.EXPRESS ? "EXPRESS" : "STANDARD",
      shippingAddress: request.shippingAddress && addressRow(request.shippingAddress),
      paymentToken: request.paymentToken,
      requestId: request.requestId,
      requestHash: contentHash(request),
      createTime: now,
      expireTime: new Date((processAfter ?? now).getTime() + orderLifeMs),
      priority: priorityName(request.priority) ?? "NORMAL",
      processAfter,
      note: request.note,
      screening: {
        paymentMethodBin: request.paymentMethodBin,
        deviceFingerprint: request.deviceFingerprint,
        email: request.customerEmail,
      },
    },
    cause: requestCause(),
    // What is wanted instead of a return was asked for by a call that has left its own entry.
    entry:
      currentRequest().call &&
      changeEntry({ resource: { kind: "order", id: orderId }, after: whatWasPlaced(request, { total, processAfter }) }),
  };
}

/** Lines and prices of an order never change, so that the order itself keeps them; made by hand, because it is made for every one. */
const whatWasPlaced = (
  { customerId, currency: currencyCode }: PlaceOrderRequest,
  { total, processAfter }: { total: number; processAfter: Date | undefined },
) => ({
  customerId,
  state: processAfter ? "ORDER_STATE_SCHEDULED" : "ORDER_STATE_PENDING",
  total: { currencyCode, minorUnits: String(total) },
});

/** When it is to begin; undefined where that is now. */
function startOf({ processAfter }: PlaceOrderRequest, now: Date): Date | undefined {
  const time = processAfter && timestampDate(processAfter);
  return time && time > now ? time : undefined;
}

function refuseTooLate(request: PlaceOrderRequest, now: Date): void {
  const start = startOf(request, now);
  if (!start || start.getTime() - now.getTime() <= scheduleDaysMax * dayMs) return;
  const message = `process_after is more than ${scheduleDaysMax} days ahead: place the order later, or let it begin earlier`;
  throw refuse(Code.InvalidArgument, "PROCESS_AFTER_TOO_LATE", message, { daysMax: String(scheduleDaysMax) });
}

function addressRow({ $typeName: _type, $unknown: _unknown, ...fields }: Address): AddressRow {
  return fields;
}

/** The same request always has the same bytes: fields in order, no maps. */
function contentHash(request: PlaceOrderRequest): Buffer {
  return createHash("sha256").update(toBinary(PlaceOrderRequestSchema, request)).digest();
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
      const message = `the order comes to ${metadata.total} minor units of ${metadata.currency}, not ${metadata.expected} as expected`;
      throw refuse(Code.FailedPrecondition, "TOTAL_MISMATCH", message, metadata);
    }
  }
}

export function requestIdReused(requestId: string): Error {
  return refuse(Code.AlreadyExists, "REQUEST_ID_REUSED", "this request_id came before with other content", { requestId });
}
