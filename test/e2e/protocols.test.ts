// One order by each way in: it reaches the door, and the watch tells each state once and in order.
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { createClient, type Client, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { bearer } from "../../tools/bearer.ts";
import { layOutThirdParty } from "../../tools/third-party.ts";
import { OrderState, testMesh, type TestMesh } from "../support/mesh.ts";

let mesh: TestMesh;
const wholeWay = [OrderState.PENDING, OrderState.PENDING_SHIPMENT, OrderState.SHIPPED, OrderState.DELIVERED];
const stateNames = ["ORDER_STATE_PENDING", "ORDER_STATE_PENDING_SHIPMENT", "ORDER_STATE_SHIPPED", "ORDER_STATE_DELIVERED"];
const basket = { customerId: "ada", currency: "EUR", paymentToken: "tok_success", items: [{ sku: "MUG", quantity: 1n }] };

beforeAll(async () => {
  mesh = await testMesh();
  await mesh.product("MUG", { stock: 1000 });
});

afterAll(() => mesh.close());

async function placeAndWatch(client: Client<typeof OrdersService>): Promise<(OrderState | undefined)[]> {
  const { order } = await client.placeOrder(basket);
  const states: (OrderState | undefined)[] = [];
  for await (const { entry } of client.watchOrder({ orderId: order?.orderId ?? "" })) states.push(entry?.state);
  return states;
}

const transports: { name: string; create(shared: { baseUrl: string; interceptors: Interceptor[] }): Transport }[] = [
  {
    name: "Connect JSON over HTTP/1.1",
    create: (shared) => createConnectTransport({ ...shared, httpVersion: "1.1", useBinaryFormat: false }),
  },
  {
    name: "Connect JSON over HTTP/2",
    create: (shared) => createConnectTransport({ ...shared, httpVersion: "2", useBinaryFormat: false }),
  },
  { name: "Connect binary over HTTP/1.1", create: (shared) => createConnectTransport({ ...shared, httpVersion: "1.1" }) },
  { name: "Connect binary over HTTP/2", create: (shared) => createConnectTransport({ ...shared, httpVersion: "2" }) },
  { name: "gRPC", create: (shared) => createGrpcTransport(shared) },
  { name: "gRPC-Web over HTTP/1.1", create: (shared) => createGrpcWebTransport({ ...shared, httpVersion: "1.1" }) },
];

test.each(transports)("an order by $name is delivered", async ({ create }) => {
  expect(
    await placeAndWatch(createClient(OrdersService, create({ baseUrl: mesh.rpcUrl, interceptors: [bearer(mesh.token)] }))),
  ).toEqual(wholeWay);
});

interface GrpcOrders extends grpc.Client {
  PlaceOrder(
    request: object,
    metadata: grpc.Metadata,
    answer: (error: grpc.ServiceError | null, response: { order: { order_id: string } }) => void,
  ): void;
  WatchOrder(request: object, metadata: grpc.Metadata): grpc.ClientReadableStream<{ entry: { state: string } }>;
}

test("an order by grpc-js, which knows nothing but the contracts, is delivered", async () => {
  await layOutThirdParty();
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const definition = loadSync("ordermesh/orders/v1/orders_service.proto", {
    includeDirs: [`${root}proto`, `${root}third_party`],
    enums: String,
    keepCase: true,
  });
  const contracts = grpc.loadPackageDefinition(definition) as unknown as {
    ordermesh: { orders: { v1: { OrdersService: new (address: string, credentials: grpc.ChannelCredentials) => GrpcOrders } } };
  };
  const client = new contracts.ordermesh.orders.v1.OrdersService(`127.0.0.1:${mesh.rpcPort}`, grpc.credentials.createInsecure());
  try {
    const metadata = new grpc.Metadata();
    metadata.set("authorization", `Bearer ${await mesh.token()}`);
    const orderId = await new Promise<string>((resolve, reject) => {
      const request = { customer_id: "ada", currency: "EUR", payment_token: "tok_success", items: [{ sku: "MUG", quantity: 1 }] };
      client.PlaceOrder(request, metadata, (error, response) => (error ? reject(error) : resolve(response.order.order_id)));
    });
    const states: string[] = [];
    for await (const { entry } of client.WatchOrder({ order_id: orderId }, metadata)) states.push(entry.state);
    expect(states).toEqual(stateNames);
  } finally {
    client.close();
  }
});

const post = (path: string, body: object, headers: Record<string, string> = {}): Promise<Response> =>
  mesh.fetch(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });

const restBasket = { customerId: "ada", currency: "EUR", paymentToken: "tok_success", items: [{ sku: "MUG", quantity: "1" }] };

test.each(["/v1/orders", "/checkout", "/create-order"])(
  "an order by REST (POST %s) is accepted with 202 and delivered",
  async (path) => {
    const answer = await post(path, restBasket);
    expect(answer.status).toBe(202);
    const order = (await answer.json()) as { orderId: string; state: string };
    expect(order.state).toBe("ORDER_STATE_PENDING");
    const watch = await mesh.fetch(`/v1/orders/${order.orderId}:watch`);
    const lines = (await watch.text()).trim().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { entry: { state: string } }).entry.state)).toEqual(stateNames);
  },
);

test("an order by REST with the customer in the path is that customer's, and is found by every alias", async () => {
  const { customerId: _customer, ...body } = restBasket;
  const answer = await post("/api/tasks/order/grace", body);
  expect(answer.status).toBe(202);
  const { orderId } = (await answer.json()) as { orderId: string };
  for (const path of [`/v1/orders/${orderId}`, `/orders/grace/${orderId}`, `/order-details?orderId=${orderId}`]) {
    const found = await mesh.fetch(path);
    expect(await found.json(), path).toMatchObject({ orderId, customerId: "grace" });
  }
  const list = (await (await mesh.fetch("/orders/grace")).json()) as { orders: { orderId: string }[] };
  expect(list.orders.map((order) => order.orderId)).toEqual([orderId]);
  expect((await mesh.fetch(`/orders/eve/${orderId}`)).status).toBe(404);
});

test("the watch as server-sent events carries ids, and goes on after the last one seen", async () => {
  const { orderId } = await mesh.place();
  await mesh.reached(orderId, OrderState.DELIVERED);
  const watch = async (headers: Record<string, string>): Promise<string[]> => {
    const answer = await mesh.fetch(`/v1/orders/${orderId}:watch`, {
      headers: { accept: "text/event-stream", ...headers },
    });
    expect(answer.headers.get("content-type")).toContain("text/event-stream");
    return [...(await answer.text()).matchAll(/^id: ?(\d+)$/gm)].map((match) => match[1] ?? "");
  };
  expect(await watch({})).toEqual(["1", "2", "3", "4"]);
  expect(await watch({ "last-event-id": "2" })).toEqual(["3", "4"]);
});

test("an Idempotency-Key makes a repeat of a REST order harmless", async () => {
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => post("/v1/orders", restBasket, { "idempotency-key": "key-1" })),
  );
  const orders = (await Promise.all(answers.map((answer) => answer.json()))) as { orderId: string }[];
  expect(new Set(orders.map((order) => order.orderId)).size).toBe(1);
});
