// One shop of two, as the test of both under load sees it: what it asks for, by RPC and by REST, and what it was answered.
import { ConnectError, createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { DescService } from "@bufbuild/protobuf";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { OrderState, type Order } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { bearer } from "../../tools/bearer.ts";
import { fetchWith } from "../../tools/operator.ts";
import { eventually } from "../support/until.ts";

export interface ShopOptions {
  tenant: string;
  rpcUrl: string;
  edgeUrl: string;
  token: () => Promise<string>;
  minorUnits: number;
  /** On hand at first, by SKU. */
  stock: Record<string, number>;
}

/** One request id, and every answer to it. */
export interface Asked {
  requestId: string;
  customerId: string;
  orderIds: Set<string>;
  refusals: Set<string>;
}

export interface Shop extends ShopOptions {
  asked: Map<string, Asked>;
  client<Desc extends DescService>(service: Desc): Client<Desc>;
  open(): Promise<void>;
  /** Places the order of this number; twice at once where it is its turn; cancels it where it is its turn. */
  order(index: number): Promise<void>;
  /** All orders that the shop's list has, page by page. */
  orders(customerId?: string): Promise<Order[]>;
  onHand(sku: string): Promise<{ onHand: number; reserved: number; moved: number }>;
}

const final: readonly OrderState[] = [OrderState.DELIVERED, OrderState.CANCELLED];
export const isFinal = ({ state }: Order): boolean => final.includes(state);

export function openShop(options: ShopOptions): Shop {
  const { rpcUrl, edgeUrl, token, minorUnits, stock } = options;
  const asked = new Map<string, Asked>();
  const transport = createConnectTransport({ baseUrl: rpcUrl, httpVersion: "2", interceptors: [bearer(token)] });
  const client = <Desc extends DescService>(service: Desc): Client<Desc> => createClient(service, transport);
  const [orders, inventory] = [client(OrdersService), client(InventoryService)];
  const rest = fetchWith(edgeUrl, token);

  const byRpc = async (requestId: string, basket: Basket): Promise<Answer> => {
    try {
      const { order } = await orders.placeOrder({ ...basket, requestId, items: basket.items.map(inUnits) });
      return { orderId: order?.orderId ?? "" };
    } catch (error) {
      if (error instanceof ConnectError) return { refusal: reasonOf(error) ?? error.message };
      throw error;
    }
  };
  const byRest = async (requestId: string, basket: Basket): Promise<Answer> => {
    const headers = { "content-type": "application/json", "idempotency-key": requestId };
    const answer = await rest("/v1/orders", { method: "POST", headers, body: JSON.stringify(basket) });
    const body = (await answer.json()) as { orderId?: string; details?: { reason?: string }[] };
    return body.orderId === undefined
      ? { refusal: body.details?.[0]?.reason ?? String(answer.status) }
      : { orderId: body.orderId };
  };

  return {
    ...options,
    asked,
    client,
    open: async () => {
      const variants = Object.entries(stock).map(([sku, initialStock]) => ({
        variant: { sku, prices: [{ currencyCode: "EUR", minorUnits: BigInt(minorUnits) }] },
        initialStock: BigInt(initialStock),
      }));
      await client(CatalogService).createProduct({ title: "All that there is", requestId: "make", variants });
      const [sku = ""] = Object.keys(stock);
      await eventually(async () => void (await inventory.getStock({ sku })));
      // The rates of a shop are there a moment after it was made.
      const parcel = { currencyCode: "EUR", units: 1n };
      await eventually(async () => void (await client(ShippingService).quoteRates(parcel)));
    },
    order: async (index) => {
      const requestId = `order-${index}`;
      const basket = basketOf(index);
      const entry: Asked = { requestId, customerId: basket.customerId, orderIds: new Set(), refusals: new Set() };
      asked.set(requestId, entry);
      const ways = index % 5 === 0 ? [byRpc, byRest] : [index % 2 === 0 ? byRpc : byRest];
      for (const answer of await Promise.all(ways.map((way) => way(requestId, basket)))) {
        if ("orderId" in answer) entry.orderIds.add(answer.orderId);
        else entry.refusals.add(answer.refusal);
      }
      const [orderId] = entry.orderIds;
      if (orderId === undefined || index % 7 !== 0) return;
      // Its parcel may have left before.
      await orders.cancelOrder({ orderId, reason: "changed my mind" }).catch(() => {});
    },
    orders: async (customerId = "") => {
      const all: Order[] = [];
      let pageToken = "";
      do {
        const page = await orders.listOrders({ customerId, pageSize: 100, pageToken });
        all.push(...page.orders);
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      return all;
    },
    onHand: async (sku) => {
      const { stock: row } = await inventory.getStock({ sku });
      let moved = 0;
      let pageToken = "";
      do {
        const page = await inventory.listStockMovements({ sku, pageSize: 200, pageToken });
        for (const { quantity } of page.movements) moved += Number(quantity);
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      return { onHand: Number(row?.onHand), reserved: Number(row?.reserved), moved };
    },
  };
}

type Answer = { orderId: string } | { refusal: string };

interface Basket {
  customerId: string;
  currency: string;
  paymentToken: string;
  items: { sku: string; quantity: string }[];
}

const inUnits = ({ sku, quantity }: Basket["items"][number]) => ({ sku, quantity: BigInt(quantity) });

export const customers = 40;
export const sku = { scarce: "SCARCE", plenty: "PLENTY" } as const;

/** The same in both shops, by number: SKUs, customers, and what goes wrong. */
function basketOf(index: number): Basket {
  const items =
    index % 2 === 0
      ? [{ sku: sku.scarce, quantity: "1" }]
      : [
          { sku: sku.plenty, quantity: String(1 + (index % 3)) },
          ...(index % 9 === 0 ? [{ sku: sku.scarce, quantity: "1" }] : []),
        ];
  const paymentToken = index % 11 === 0 ? "tok_declined" : "tok_success";
  return { customerId: `customer-${index % customers}`, currency: "EUR", paymentToken, items };
}
