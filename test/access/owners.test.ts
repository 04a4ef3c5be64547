// A customer sees and changes only what is its own, by every RPC that customers may call and by every way to it.
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import type { Transport } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Order } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrderState, testMesh, type TestMesh } from "../support/mesh.ts";
import { until } from "../support/until.ts";
import { openForge } from "./forge.ts";
import { callRpc, restRoutes, rpcs } from "./surface.ts";

let mesh: TestMesh;
let order: Order;
let transports: Transport[];
let eve: string;
let ada: string;

beforeAll(async () => {
  mesh = await testMesh({ ORDERMESH_CARRIER_DISPATCH_MS: "600000" });
  await mesh.product("MUG");
  order = await mesh.place({ customerId: "ada" });
  const baseUrl = mesh.rpcUrl;
  transports = [createConnectTransport({ baseUrl, httpVersion: "2" }), createGrpcTransport({ baseUrl })];
  const { sign } = await openForge(mesh);
  const customer = (sub: string): Promise<string> =>
    sign({ claims: { sub, client_id: "shop", roles: ["customer"], scope: customerScopes } });
  [eve, ada] = await Promise.all([customer("eve"), customer("ada")]);
});

afterAll(() => mesh.close());

const customerScopes =
  "orders:read orders:write payments:read payments:write shipping:read customers:read customers:write identity:write ".concat(
    "notifications:read notifications:write",
  );
const items = [{ sku: "MUG", quantity: 1n }];
const basket = { currency: "EUR", paymentToken: "tok_success", items };

interface Case {
  /** What another customer asks. */
  request: () => Record<string, unknown>;
  /** What it is told: that it may not, or that there is nothing. */
  refused: "PermissionDenied" | "NotFound";
}

/** By method; one that customers may call and that is missing here fails the test below. */
const cases: Record<string, Case> = {
  "OrdersService/PlaceOrder": { request: () => ({ ...basket, customerId: "ada" }), refused: "PermissionDenied" },
  "OrdersService/GetOrder": { request: () => ({ orderId: order.orderId }), refused: "NotFound" },
  "OrdersService/ListOrders": { request: () => ({ customerId: "ada" }), refused: "PermissionDenied" },
  "OrdersService/CancelOrder": { request: () => ({ orderId: order.orderId, reason: "mine" }), refused: "NotFound" },
  "OrdersService/WatchOrder": { request: () => ({ orderId: order.orderId }), refused: "NotFound" },
  "OrderChangesService/PreviewOrderChange": {
    request: () => ({ orderId: order.orderId, wish: {} }),
    refused: "NotFound",
  },
  "OrderChangesService/ConfirmOrderChange": {
    request: () => ({ orderId: order.orderId, wish: {}, token: "1.2.3", requestId: "change-1" }),
    refused: "NotFound",
  },
  "OrderChangesService/ListOrderChanges": { request: () => ({ orderId: order.orderId }), refused: "NotFound" },
  "ReturnsService/RequestReturn": {
    request: () => ({ orderId: order.orderId, lines: items, requestId: "return-1" }),
    refused: "NotFound",
  },
  "ReturnsService/ListOrderReturns": { request: () => ({ orderId: order.orderId }), refused: "NotFound" },
  "PaymentsService/GetPayment": { request: () => ({ orderId: order.orderId }), refused: "NotFound" },
  "PaymentsService/ResumePayment": { request: () => ({ orderId: order.orderId }), refused: "NotFound" },
  "PaymentsSandboxService/AnswerChallenge": { request: () => ({ clientSecret: "guessed" }), refused: "NotFound" },
  "ShippingService/GetTracking": { request: () => ({ orderId: order.orderId }), refused: "NotFound" },
  "IdentityService/ChangePassword": {
    request: () => ({ customerId: "ada", currentPassword: "correct horse", newPassword: "battery staple" }),
    refused: "PermissionDenied",
  },
};

const customersMethods = {
  GetCustomer: {},
  UpdateCustomer: { profile: { givenName: "Eve" }, allowMissing: true },
  CreateAddress: { address: { recipient: "Eve", lines: ["1"], city: "Paris", countryCode: "FR" } },
  ListAddresses: {},
  UpdateAddress: { addressId: "adr_1", address: { label: "mine" } },
  DeleteAddress: { addressId: "adr_1" },
  RecordConsent: { purpose: "analytics" },
  ListConsents: {},
  ListConsentHistory: {},
  ExportCustomer: {},
  EraseCustomer: { reason: 3 },
  GetErasure: {},
};
for (const [method, request] of Object.entries(customersMethods)) {
  cases[`CustomersService/${method}`] = { request: () => ({ ...request, customerId: "ada" }), refused: "PermissionDenied" };
}

cases["NotificationsService/GetPreferences"] = { request: () => ({ customerId: "ada" }), refused: "PermissionDenied" };
cases["NotificationsService/UpdatePreferences"] = {
  request: () => ({ customerId: "ada", preferences: [{ fact: "ready", channel: "sms", enabled: true }] }),
  refused: "PermissionDenied",
};

/** Concern nobody but the token that they are called with. */
const ofTheCaller = ["IdentityService/CreateStreamTicket"];
const forCustomers = rpcs.filter(({ name, access }) => access.roles.has("customer") && !ofTheCaller.includes(name));

test("every RPC that customers may call is tried here", () => {
  expect(forCustomers.map(({ name }) => name).toSorted()).toEqual(Object.keys(cases).toSorted());
});

test.each(forCustomers)("$name refuses another customer", async (rpc) => {
  const given = cases[rpc.name];
  for (const transport of transports) {
    const { code } = await callRpc(transport, rpc, eve, given?.request());
    expect(code).toBe(given?.refused);
  }
});

test("what is another's is told of as what does not exist: in the same words, and nothing has happened", async () => {
  const missing = "ord_01kb2q0000e0000000000000zz";
  const answersTo = async (orderId: string): Promise<string[]> => {
    const headers = { authorization: `Bearer ${eve}`, "content-type": "application/json" };
    const paths = restRoutes
      .filter(({ name }) => ["OrdersService/GetOrder", "OrdersService/WatchOrder", "OrdersService/CancelOrder"].includes(name))
      .map(({ httpMethod, template }) => ({
        httpMethod,
        path: template.replace("{order_id}", orderId).replace("{customer_id}", "ada"),
      }))
      .map(({ httpMethod, path }) => ({ httpMethod, path: path === "/order-details" ? `${path}?orderId=${orderId}` : path }));
    const answers = paths.map(async ({ httpMethod, path }) => {
      const body = httpMethod === "POST" ? { body: "{}" } : {};
      const answer = await fetch(`${mesh.edgeUrl}${path}`, { method: httpMethod, headers, ...body });
      return `${path.replaceAll(orderId, "<id>")} ${answer.status} ${(await answer.text()).replaceAll(orderId, "<id>")}`;
    });
    return Promise.all(answers);
  };
  const others = await answersTo(order.orderId);
  expect(others).toEqual(await answersTo(missing));
  expect(others.length).toBe(5);
  for (const answer of others) expect(answer).toMatch(/ 404 /);
  expect((await mesh.orders.getOrder({ orderId: order.orderId })).order?.state).not.toBe(OrderState.CANCELLED);
});

test("the customer in a path is the one who is asked about, whatever else is sent", async () => {
  const ask = async (path: string, body?: object): Promise<number> => {
    const headers = { authorization: `Bearer ${eve}`, "content-type": "application/json" };
    const answer = await fetch(
      `${mesh.edgeUrl}${path}`,
      body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers },
    );
    await answer.arrayBuffer();
    return answer.status;
  };
  const rest = { currency: "EUR", paymentToken: "tok_success", items: [{ sku: "MUG", quantity: "1" }] };
  expect(await ask("/api/tasks/order/ada", rest)).toBe(403);
  // The body cannot say otherwise, and the query cannot name what the path has.
  expect(await ask("/api/tasks/order/ada", { ...rest, customerId: "eve" })).toBe(403);
  expect(await ask("/orders/ada?customerId=eve")).toBe(400);
  expect(await ask("/orders/ada")).toBe(403);
  expect(await ask("/api/tasks/order/eve", rest)).toBe(202);
});

test("a customer who names nobody means itself", async () => {
  const headers = { authorization: `Bearer ${ada}`, "content-type": "application/json" };
  const rest = { currency: "EUR", paymentToken: "tok_success", items: [{ sku: "MUG", quantity: "1" }] };
  const placed = await fetch(`${mesh.edgeUrl}/v1/orders`, { method: "POST", headers, body: JSON.stringify(rest) });
  expect(placed.status).toBe(202);
  const { orderId, customerId } = (await placed.json()) as { orderId: string; customerId: string };
  expect(customerId).toBe("ada");
  const listed = (await (await fetch(`${mesh.edgeUrl}/v1/orders`, { headers })).json()) as {
    orders: { orderId: string; customerId: string }[];
  };
  expect(listed.orders.map((each) => each.orderId)).toContain(orderId);
  expect(new Set(listed.orders.map((each) => each.customerId))).toEqual(new Set(["ada"]));
});

test("a page of one customer's orders begins nowhere among another's", async () => {
  await mesh.place({ customerId: "ada" });
  const list = rpcs.find(({ name }) => name === "OrdersService/ListOrders")!;
  const { nextPageToken } = await mesh.orders.listOrders({ customerId: "ada", pageSize: 1 });
  const headers = { authorization: `Bearer ${eve}` };
  const answer = await fetch(`${mesh.edgeUrl}/v1/orders?pageToken=${encodeURIComponent(nextPageToken)}`, { headers });
  const { orders } = (await answer.json()) as { orders: { customerId: string }[] };
  expect(orders.filter(({ customerId }) => customerId !== "eve")).toEqual([]);
  expect(list.access.ownerField).toBe("customerId");
});

test("a customer follows the parcel of its own order", async () => {
  await mesh.reached(order.orderId, OrderState.PENDING_SHIPMENT);
  const path = `${mesh.edgeUrl}/v1/orders/${order.orderId}/tracking`;
  const ask = (token: string): Promise<Response> => fetch(path, { headers: { authorization: `Bearer ${token}` } });
  await until(async () => (await ask(ada)).status === 200);
  expect(await (await ask(ada)).json()).toMatchObject({ orderId: order.orderId, state: "SHIPMENT_STATE_CREATED" });
  expect((await ask(eve)).status).toBe(404);
});
