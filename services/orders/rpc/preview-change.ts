// PreviewOrderChange: what an order would be with a change, and what speaks against it. It asks, and changes nothing.
import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { OrderChangeWishSchema, type OrderChangeWish } from "#gen/ordermesh/orders/v1/changes_service_pb.ts";
import { ShippingMethod } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import {
  addedUnits,
  changedItems,
  countryRefusal,
  isSentOtherwise,
  linesRefusal,
  stateRefusal,
  stockRefusal,
  subtotalOf,
  totalRefusal,
  unitsPerSku,
  type ChangeableOrder,
  type Item,
  type Refusal,
} from "../domain/change.ts";
import { amountsToTax, isElsewhere, skusToTax, withTaxes, type TaxChange } from "../domain/change-tax.ts";
import { shortagesOf, type WantedItem } from "../domain/place.ts";
import { standardClass, type Tax } from "../domain/tax.ts";
import type { TaxProvider } from "../provider/tax.ts";
import { contentOf, type OrderContent } from "../store/order-changes.ts";
import type { OrderRow } from "../store/read.ts";
import type { OrdersTables } from "../store/tables.ts";
import { methodMessages } from "./order-message.ts";
import { createPriceList, type KnownPrice } from "./prices.ts";
import { createShippingCost } from "./shipping-cost.ts";

export interface Preview {
  before: OrderContent;
  /** Undefined where it cannot be said. */
  after: OrderContent | undefined;
  /** Of what more is wanted: how much, and how much there is. */
  stock: { sku: string; added: number; available: number }[];
  refusals: Refusal[];
  /** Of the order's version, of the change, and of what it comes to; see tokenOf. */
  token: string;
}

export type PreviewChange = (row: OrderRow, wish: OrderChangeWish) => Promise<Preview>;

/** A refusal of another service is one of the change; that it could not be asked is not. */
async function orRefusal<Answer>(asked: Promise<Answer>): Promise<Answer | Refusal> {
  try {
    return await asked;
  } catch (error) {
    const reason = reasonOf(error);
    const isRefusal = reason !== undefined && ["PRODUCT_NOT_FOUND", "CURRENCY_NOT_SOLD", "NO_SHIPPING_RATE"].includes(reason);
    if (!isRefusal || !(error instanceof ConnectError)) throw error;
    return { reason, message: error.rawMessage };
  }
}

const isRefusal = (answer: object | number): answer is Refusal => typeof answer === "object" && "reason" in answer;

export interface Taxing {
  taxes: TaxProvider;
  /** Where orders go that do not say where they go. */
  shopCountryCode: string;
}

export function createPreview(
  runtime: Pick<ServiceRuntime<OrdersTables>, "client" | "onEvent">,
  { taxes, shopCountryCode }: Taxing,
): PreviewChange {
  const prices = createPriceList(runtime);
  const askShippingCost = createShippingCost(runtime);
  const inventory = runtime.client(InventoryService);

  /** What is not sold any more stays in the order, and nothing is known of it any more. */
  const knownOf = async (row: OrderRow, skus: readonly string[]): Promise<Map<string, KnownPrice>> => {
    const known = await Promise.all(skus.map((sku) => orRefusal(prices.pricesOf(row.currency_code, [sku]))));
    return new Map(known.flatMap((answer) => (isRefusal(answer) ? [] : [...answer])));
  };

  const costOf = async (row: OrderRow, after: Wanted): Promise<number | Refusal> => {
    // Of what is not known the weight adds nothing.
    const weights = await knownOf(row, [...unitsPerSku(after.items).keys()]);
    const parcel = {
      currency: row.currency_code,
      shippingMethod: methodMessages[after.shippingMethod],
      shippingAddress: after.shippingAddress ?? undefined,
    };
    return orRefusal(askShippingCost(parcel, after.items, Promise.resolve(weights)));
  };

  const taxed = async (row: OrderRow, change: TaxChange, { shippingAddress }: Wanted): Promise<ReturnType<typeof withTaxes>> => {
    const { countryCode = shopCountryCode, region = "" } = shippingAddress ?? {};
    const [known, quote] = await Promise.all([knownOf(row, skusToTax(change)), taxes.quoteFor({ countryCode, region })]);
    const amounts = amountsToTax(change, (sku) => known.get(sku)?.taxClass ?? standardClass);
    return withTaxes(change, await quote(amounts));
  };

  const stockOf = async (added: readonly WantedItem[]): Promise<Preview["stock"]> => {
    if (added.length === 0) return [];
    const { availabilities } = await inventory.batchGetAvailability({ skus: added.map(({ sku }) => sku) });
    const available = new Map(availabilities.map(({ sku, available: units }) => [sku, Number(units)]));
    return added.map(({ sku, quantity }) => ({ sku, added: quantity, available: available.get(sku) ?? 0 }));
  };

  return async (row, wish) => {
    const before = contentOf(row);
    const order = changeable(row);
    const wanted = wish.lines.map(({ sku, quantity }) => ({ sku, quantity: Number(quantity) }));
    const added = addedUnits(before.items, wanted);
    const [known, stock] = await Promise.all([
      orRefusal(
        prices.pricesOf(
          row.currency_code,
          added.map(({ sku }) => sku),
        ),
      ),
      stockOf(added),
    ]);
    const refusals = [stateRefusal(order), shortOf(stock)].flatMap((refusal) => refusal ?? []);
    if (isRefusal(known)) return { before, after: undefined, stock, refusals: [...refusals, known], token: "" };
    const after = wantedOf(before, wish, changedItems(before.items, wanted, known));
    const more = [linesRefusal(after.items), countryRefusal(order, before.shippingAddress, after.shippingAddress)];
    refusals.push(...more.flatMap((refusal) => refusal ?? []));
    if (after.items.length === 0) return { before, after: undefined, stock, refusals, token: "" };
    const isShippingAnew = isSentOtherwise(before, after);
    const cost = isShippingAnew ? await costOf(row, after) : before.shippingCost;
    if (isRefusal(cost)) return { before, after: undefined, stock, refusals: [...refusals, cost], token: "" };
    const elsewhere = isElsewhere(before.shippingAddress, after.shippingAddress);
    const change = { before, items: after.items, shippingCost: cost, isElsewhere: elsewhere, isShippingAnew };
    const subtotal = subtotalOf(after.items);
    const tax = await taxed(row, change, after);
    const total = subtotal + cost + tax.taxAdded;
    const content: OrderContent = { ...after, ...tax, subtotal, shippingCost: cost, total };
    refusals.push(...[nothingNew(before, content), totalRefusal(order, content.total)].flatMap((refusal) => refusal ?? []));
    return { before, after: content, stock, refusals, token: tokenOf({ row, wish, after: content }) };
  };
}

export const changeable = (row: OrderRow): ChangeableOrder => ({
  state: row.state,
  inventory: row.services.inventory_status,
  cancelReason: "",
  paymentAsked: row.payment_asked,
  isChanging: row.last_change_state === "requested",
  isSplit: row.services.parcels.length > 0,
  total: row.total,
  askedTotal: row.asked_total,
});

type Wanted = Pick<OrderContent, "shippingMethod" | "shippingAddress"> & { items: Item[] };

function wantedOf(before: OrderContent, { shippingAddress, shippingMethod }: OrderChangeWish, items: Item[]): Wanted {
  const method = methodOf(shippingMethod) ?? before.shippingMethod;
  if (!shippingAddress) return { items, shippingMethod: method, shippingAddress: before.shippingAddress };
  const { $typeName: _type, $unknown: _unknown, ...address } = shippingAddress;
  return { items, shippingMethod: method, shippingAddress: address };
}

/** Undefined where none is given. */
function methodOf(method: ShippingMethod): OrderContent["shippingMethod"] | undefined {
  switch (method) {
    case ShippingMethod.STANDARD:
      return "STANDARD";
    case ShippingMethod.EXPRESS:
      return "EXPRESS";
    case ShippingMethod.UNSPECIFIED:
      return undefined;
  }
}

function shortOf(stock: Preview["stock"]): Refusal | undefined {
  const available = new Map(stock.map((one) => [one.sku, one.available]));
  const wanted = stock.map(({ sku, added: quantity }) => ({ sku, quantity }));
  return stockRefusal(shortagesOf(wanted, available));
}

function nothingNew(before: OrderContent, after: OrderContent): Refusal | undefined {
  if (canonical(before) !== canonical(after)) return undefined;
  return { reason: "NOTHING_CHANGES", message: "the order is like that already" };
}

/** Same contents, same text, in whatever order their fields were read. */
function canonical({ items, shippingCost, shippingTax, shippingMethod, shippingAddress }: OrderContent): string {
  const taxText = (tax: Tax | null | undefined) => tax && [tax.amount, tax.rate, tax.name, tax.isIncluded];
  const lines = items.map(({ sku, quantity, unitPrice, tax }) => [sku, quantity, unitPrice, taxText(tax)]);
  const address = shippingAddress && Object.entries(shippingAddress).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return JSON.stringify([lines, shippingCost, taxText(shippingTax), shippingMethod, address]);
}

const hashOf = (content: Uint8Array | string): string => createHash("sha256").update(content).digest("base64url").slice(0, 22);

/** It is no secret and proves nothing: it says what the caller has seen. */
const tokenOf = ({ row, wish, after }: { row: OrderRow; wish: OrderChangeWish; after: OrderContent }): string =>
  [row.version, hashOf(toBinary(OrderChangeWishSchema, wish)), hashOf(canonical(after))].join(".");
