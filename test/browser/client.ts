// What a shop's page would do, bundled for a browser: REST by fetch and EventSource, and Connect-Web straight to the services.
import { enumToJson } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { OrderStateSchema } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";

interface Shop {
  edgeUrl: string;
  rpcUrl: string;
  token: string;
  customerId: string;
  sku: string;
}

interface Followed {
  orderId: string;
  states: string[];
}

/** Browsers have it; the types of Node.js do not. */
interface EventStream {
  addEventListener(type: string, listener: (event: { data?: string }) => void): void;
  close(): void;
}
declare const EventSource: new (url: string) => EventStream;

async function post(shop: Shop, path: string, body: object): Promise<Record<string, string>> {
  const headers = { authorization: `Bearer ${shop.token}`, "content-type": "application/json" };
  const answer = await fetch(`${shop.edgeUrl}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Record<string, string>;
}

/** Places an order by fetch, and follows it by an EventSource that has a ticket and no token. */
async function byRest(shop: Shop): Promise<Followed & { addresses: string[] }> {
  const basket = { customerId: shop.customerId, currency: "EUR", paymentToken: "tok_success" };
  const { orderId = "" } = await post(shop, "/v1/orders", { ...basket, items: [{ sku: shop.sku, quantity: "1" }] });
  const path = `/v1/orders/${orderId}:watch`;
  const { ticket = "" } = await post(shop, "/v1/stream-tickets", { path });
  const address = `${shop.edgeUrl}${path}?stream_ticket=${ticket}`;
  const events = new EventSource(address);
  const states: string[] = [];
  await new Promise<void>((resolve, reject) => {
    events.addEventListener("message", ({ data = "{}" }) => {
      const { entry } = JSON.parse(data) as { entry?: { state: string } };
      if (entry) states.push(entry.state);
    });
    events.addEventListener("end", () => resolve());
    events.addEventListener("error", ({ data }) => reject(new Error(data ?? "the stream was refused or cut")));
  });
  events.close();
  return { orderId, states, addresses: [address] };
}

async function byRpc(shop: Shop, protocol: "connect" | "grpc-web"): Promise<Followed> {
  const create = protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
  const orders = createClient(OrdersService, create({ baseUrl: shop.rpcUrl }));
  const options = { headers: { authorization: `Bearer ${shop.token}` } };
  const basket = { customerId: shop.customerId, currency: "EUR", paymentToken: "tok_success" };
  const placed = await orders.placeOrder({ ...basket, items: [{ sku: shop.sku, quantity: 1n }] }, options);
  const orderId = placed.order?.orderId ?? "";
  const states: string[] = [];
  for await (const { entry } of orders.watchOrder({ orderId }, options))
    if (entry) states.push(enumToJson(OrderStateSchema, entry.state) ?? "");
  return { orderId, states };
}

Object.assign(globalThis, { byRest, byRpc });
