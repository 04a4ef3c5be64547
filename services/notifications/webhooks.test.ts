// Endpoints as a shop makes them, and real receivers that verify what they get by the standard's own library.
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import { sql } from "kysely";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebhookDeliveryState, WebhookEndpointState } from "#gen/ordermesh/notifications/v1/webhook_pb.ts";
import { WebhooksService } from "#gen/ordermesh/notifications/v1/webhooks_service_pb.ts";
import { CustomerErasedSchema } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import { OrderErasedSchema, OrderReadySchema, OrderShippedSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { newId } from "#runtime/ids.ts";
import { runInContext } from "#runtime/request-context.ts";
import { refusal } from "../../test/support/refusal.ts";
import { created, notificationsFixture, type NotificationsFixture } from "./notifications.fixture.ts";

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
}

/** Answers with the statuses given, one after the other, and then with 200. */
async function receiver() {
  const got: Received[] = [];
  const statuses: number[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => void (body += chunk.toString()));
    request.on("end", () => {
      got.push({ headers: request.headers, body });
      response.writeHead(statuses.shift() ?? 200).end("thanks");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  return { got, statuses, url, close: () => new Promise<void>((resolve) => server.close(() => resolve())) };
}

let fixture: NotificationsFixture;
let webhooks: Client<typeof WebhooksService>;
let server: Awaited<ReturnType<typeof receiver>>;

beforeAll(async () => {
  server = await receiver();
  fixture = await notificationsFixture({
    ORDERMESH_WEBHOOK_ALLOW_PRIVATE: "on",
    ORDERMESH_WEBHOOK_RETRY_MS: "0,0",
    ORDERMESH_WEBHOOK_TIMEOUT_MS: "500",
    ORDERMESH_WEBHOOK_DISABLE_HOURS: "0",
  });
  webhooks = fixture.client(WebhooksService);
});
afterAll(async () => {
  await fixture.close();
  await server.close();
});

/** A new endpoint at which nothing has been received. */
async function open(eventTypes: string[] = [], url = server.url) {
  const { endpoints } = await webhooks.listWebhookEndpoints({});
  for (const { endpointId } of endpoints) await webhooks.deleteWebhookEndpoint({ endpointId });
  server.got.length = 0;
  server.statuses.length = 0;
  const { endpoint, secret } = await webhooks.createWebhookEndpoint({ endpoint: { url, eventTypes } });
  return { endpointId: endpoint?.endpointId ?? "", secret };
}

const tell = async (orderId = newId("ord")): Promise<string> => {
  await fixture.deliver(OrderReadySchema, { orderId });
  await fixture.runDue();
  return orderId;
};
const deliveriesOf = async (endpointId: string) => (await webhooks.listWebhookDeliveries({ endpointId })).deliveries;
const endpointOf = async (endpointId: string) => (await webhooks.getWebhookEndpoint({ endpointId })).endpoint;
const verified = (secret: string, { headers, body }: Received): unknown =>
  new Webhook(secret).verify(body, headers as Record<string, string>);
const readyType = "ordermesh.orders.events.v1.OrderReady";

describe("an event", () => {
  test("is one signed call with its type, time and data, under the id of the event", async () => {
    const { endpointId, secret } = await open();
    const orderId = newId("ord");
    for (let time = 0; time < 3; time += 1) await fixture.repeat(OrderReadySchema, { orderId, priority: "RUSH" }, "evt_same");
    await fixture.runDue();
    expect(server.got).toHaveLength(1);
    const [call] = server.got as [Received];
    expect(verified(secret, call)).toEqual({
      type: readyType,
      timestamp: expect.stringMatching(/Z$/) as string,
      data: { orderId, priority: "RUSH" },
    });
    expect(call.headers).toMatchObject({ "webhook-id": "evt_same", "content-type": "application/json" });
    expect(await deliveriesOf(endpointId)).toMatchObject([
      {
        eventId: "evt_same",
        eventType: readyType,
        state: WebhookDeliveryState.DELIVERED,
        attempts: [{ statusCode: 200, responseStart: "thanks" }],
      },
    ]);
  });

  test("comes only where it is wanted, and only from when the endpoint is there", async () => {
    await open(["ordermesh.orders.events.v1.OrderShipped"]);
    const orderId = await tell();
    await fixture.deliver(OrderShippedSchema, { orderId, trackingNumber: "TRK1" });
    await fixture.repeat(OrderShippedSchema, { orderId, trackingNumber: "TRK0" }, "evt_before", new Date(Date.now() - 60_000));
    await fixture.runDue();
    expect(server.got.map(({ body }) => (JSON.parse(body) as { data: object }).data)).toEqual([
      { orderId, trackingNumber: "TRK1" },
    ]);
  });

  test("of another shop is that shop's", async () => {
    await open();
    await fixture.deliverTo("other", OrderReadySchema, { orderId: newId("ord") });
    await fixture.runDue();
    expect(server.got).toEqual([]);
  });
});

test("a call that is refused is made again under the same id, and after the last attempt has failed", async () => {
  const { endpointId, secret } = await open();
  server.statuses.push(500, 302);
  await tell();
  expect(server.got.map(({ headers }) => headers["webhook-id"])).toEqual(Array(3).fill(server.got[0]?.headers["webhook-id"]));
  for (const call of server.got) expect(verified(secret, call)).toMatchObject({ type: readyType });
  expect(await endpointOf(endpointId)).toMatchObject({ failures: 0 });
  server.statuses.push(500, 500, 500);
  await tell();
  const [failed, first] = await deliveriesOf(endpointId);
  expect(first?.attempts.map(({ statusCode }) => statusCode)).toEqual([500, 302, 200]);
  expect(failed).toMatchObject({ state: WebhookDeliveryState.FAILED });
  expect(await endpointOf(endpointId)).toMatchObject({ failures: 3, state: WebhookEndpointState.ENABLED });
});

test("410 disables the endpoint, which is told; what happens meanwhile is withheld, and sent by a replay", async () => {
  const { endpointId } = await open();
  server.statuses.push(410);
  const sent = (await fixture.sent()).length;
  const since = new Date();
  await tell();
  expect(await endpointOf(endpointId)).toMatchObject({ state: WebhookEndpointState.DISABLED, disableReason: "GONE" });
  expect((await fixture.sent()).slice(sent)).toMatchObject([
    { key: endpointId, sequence: 1, message: { endpointId, reason: "GONE", failures: 1 } },
  ]);
  await tell();
  expect(server.got).toHaveLength(1);
  expect((await deliveriesOf(endpointId)).map(({ state }) => state)).toEqual([
    WebhookDeliveryState.WITHHELD,
    WebhookDeliveryState.WITHHELD,
  ]);
  expect(await refusal(webhooks.pingWebhookEndpoint({ endpointId }))).toMatchObject({ reason: "ENDPOINT_DISABLED" });
  await webhooks.enableWebhookEndpoint({ endpointId });
  await fixture.runDue();
  expect(server.got).toHaveLength(1);
  const { deliveries } = await webhooks.replayWebhookDeliveries({ endpointId, sinceTime: timestampFromDate(since) });
  expect(deliveries).toBe(2n);
  await fixture.runDue();
  expect(server.got).toHaveLength(3);
  expect(server.got[1]?.headers["webhook-id"]).toBe(server.got[0]?.headers["webhook-id"]);
});

test("an endpoint at which too much has failed for too long is disabled", async () => {
  const { endpointId } = await open();
  server.statuses.push(...Array<number>(12).fill(503));
  for (let order = 0; order < 4; order += 1) await tell();
  expect(server.got.length).toBeGreaterThanOrEqual(10);
  expect(await endpointOf(endpointId)).toMatchObject({ state: WebhookEndpointState.DISABLED, disableReason: "FAILING" });
});

test("a dead endpoint holds up nobody, and has no more calls under way than its bound", async () => {
  let underWay = 0;
  let underWayMost = 0;
  const silent = createServer((_request, response) => {
    underWay += 1;
    underWayMost = Math.max(underWayMost, underWay);
    response.on("close", () => (underWay -= 1));
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const dead = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
  await open();
  const { endpoint } = await webhooks.createWebhookEndpoint({ endpoint: { url: dead } });
  await fixture.deliver(OrderReadySchema, ...Array.from({ length: 20 }, () => ({ orderId: newId("ord") })));
  const works = fixture.parts.dueWork?.find(({ kind }) => kind === "notifications.deliver");
  const { rows } = await sql<{ key: string }>`select key from due_work where kind = 'notifications.deliver'`.execute(
    fixture.runtime.db,
  );
  const prepared = rows
    .flatMap(({ key }) => [key, key])
    .map((key) => {
      const item = {
        id: "due_x",
        kind: "notifications.deliver",
        tenant: "demo",
        key,
        dueTime: new Date(),
        attempt: 1,
        cause: { id: "req_1", traceparent: "" },
      };
      return runInContext(
        { requestId: "req_1", traceparent: "", tenant: "demo" },
        () => works?.prepare?.(item) as Promise<{ calls: number }>,
      );
    });
  const withCalls = prepared.map(async (round) => ((await round).calls > 0 ? "called" : Promise.reject(new Error("full"))));
  await Promise.any(withCalls);
  // The dead one is still waited for, and the other has been told.
  const callsOfDead = async () => (await deliveriesOf(endpoint?.endpointId ?? "")).flatMap(({ attempts }) => attempts);
  expect([await callsOfDead(), server.got.length]).toEqual([[], 8]);
  await Promise.all(prepared);
  expect(underWayMost).toBe(8);
  expect((await callsOfDead()).map(({ error }) => error)).toEqual(Array(8).fill("TIMED_OUT"));
  silent.closeAllConnections();
  silent.close();
});

describe("a secret", () => {
  test("is shown once, and after a rotation both hold until the overlap is over", async () => {
    const { endpointId, secret: old } = await open();
    expect(old).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(
      JSON.stringify(await endpointOf(endpointId), (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)),
    ).not.toContain(old);
    const { secret, endpoint } = await webhooks.rotateWebhookSecret({ endpointId });
    expect(endpoint?.oldSecretExpireTime).toBeDefined();
    await tell();
    const [both] = server.got as [Received];
    expect(verified(old, both)).toEqual(verified(secret, both));
    await webhooks.rotateWebhookSecret({ endpointId, overlap: { seconds: 0n } }).then(async ({ secret: newest }) => {
      await tell();
      const call = server.got.at(-1)!;
      expect(verified(newest, call)).toMatchObject({ type: readyType });
      expect(() => verified(secret, call)).toThrow("No matching signature");
    });
    const stored = await sql<{ text: string }>`select encode(secret, 'escape') as text from webhook_endpoint`.execute(
      fixture.runtime.db,
    );
    expect(stored.rows.map(({ text }) => text).join("")).not.toContain("whsec_");
  });
});

test("a ping is a call like any other", async () => {
  const { endpointId, secret } = await open(["ordermesh.orders.events.v1.OrderShipped"]);
  const { delivery } = await webhooks.pingWebhookEndpoint({ endpointId });
  await fixture.runDue();
  expect(verified(secret, server.got[0]!)).toMatchObject({ type: "ordermesh.notifications.v1.Ping", data: { endpointId } });
  const again = await webhooks.replayWebhookDelivery({ endpointId, deliveryId: delivery?.deliveryId ?? "" });
  expect(again.delivery?.state).toBe(WebhookDeliveryState.PENDING);
  await fixture.runDue();
  expect(server.got.map(({ headers }) => headers["webhook-id"])).toEqual([delivery?.eventId, delivery?.eventId]);
});

test("deliveries are listed by pages and states", async () => {
  const { endpointId } = await open();
  for (let order = 0; order < 3; order += 1) await tell();
  const first = await webhooks.listWebhookDeliveries({ endpointId, pageSize: 2, state: WebhookDeliveryState.DELIVERED });
  const second = await webhooks.listWebhookDeliveries({ endpointId, pageSize: 2, pageToken: first.nextPageToken });
  expect([first.deliveries.length, second.deliveries.length, second.nextPageToken]).toEqual([2, 1, ""]);
  expect((await webhooks.listWebhookDeliveries({ endpointId, state: WebhookDeliveryState.FAILED })).deliveries).toEqual([]);
});

test("what is wrong with an endpoint is said", async () => {
  const make = (endpoint: object) => refusal(webhooks.createWebhookEndpoint({ endpoint }));
  expect(await make({ url: "ftp://example.com" })).toMatchObject({ reason: "URL_INVALID" });
  expect(await make({ url: server.url, eventTypes: ["ordermesh.orders.events.v1.OrderPaymentDue"] })).toMatchObject({
    reason: "EVENT_TYPE_UNKNOWN",
  });
  const { endpointId } = await open();
  const mask = (paths: string[]) =>
    webhooks.updateWebhookEndpoint({ endpointId, endpoint: { description: "ERP" }, updateMask: { paths } });
  expect(await refusal(mask(["state"]))).toMatchObject({ reason: "UPDATE_MASK_INVALID" });
  expect(await refusal(mask(["*"]))).toMatchObject({ reason: "URL_INVALID" });
  expect((await mask([])).endpoint).toMatchObject({ description: "ERP", url: server.url });
  expect(await refusal(webhooks.getWebhookEndpoint({ endpointId: "whe_none" }))).toMatchObject({ reason: "ENDPOINT_NOT_FOUND" });
  const replay = webhooks.replayWebhookDelivery({ endpointId, deliveryId: "whd_none" });
  expect(await refusal(replay)).toMatchObject({ reason: "DELIVERY_NOT_FOUND" });
});

test("of an erased order or customer nothing is left to send, and that it is erased is told", async () => {
  const { endpointId } = await open();
  const orderId = newId("ord");
  await fixture.deliver(OrderCreatedSchema, created(orderId));
  await fixture.runDue();
  await fixture.deliver(OrderErasedSchema, { orderId, customerId: "ada" });
  await fixture.deliver(CustomerErasedSchema, { customerId: "ada" });
  await fixture.runDue();
  expect(server.got.map(({ body }) => (JSON.parse(body) as { type: string }).type.split(".").at(-1))).toEqual([
    "OrderCreated",
    "OrderErased",
    "CustomerErased",
  ]);
  const erased = (await deliveriesOf(endpointId)).find(({ eventType }) => eventType.endsWith("OrderCreated"));
  expect(erased).toMatchObject({ isErased: true, attempts: [{ responseStart: "" }] });
  const replay = webhooks.replayWebhookDelivery({ endpointId, deliveryId: erased?.deliveryId ?? "" });
  expect(await refusal(replay)).toMatchObject({ reason: "DELIVERY_ERASED" });
});
