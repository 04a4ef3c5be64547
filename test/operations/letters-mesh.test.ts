import { jetstream } from "@nats-io/jetstream";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { create, toBinary, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrderPaymentDueSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { ShipmentCreatedSchema } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { newId } from "#runtime/ids.ts";
import { OrderState, testMesh, type TestMesh } from "../support/mesh.ts";
import { refusal } from "../support/refusal.ts";
import { eventually, until } from "../support/until.ts";

let mesh: TestMesh;
let connection: NatsConnection;

beforeAll(async () => {
  mesh = await testMesh({ ORDERMESH_RECONCILE_MS: "500" });
  connection = await connect({ servers: mesh.natsUrl });
  await mesh.product("MUG");
});

afterAll(async () => {
  await connection.close();
  await mesh.close();
});

async function get(path: string): Promise<Record<string, unknown>> {
  const answer = await mesh.fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Record<string, unknown>;
}

async function publish<Desc extends DescMessage>(
  desc: Desc,
  key: string,
  message: MessageInitShape<Desc> | Uint8Array,
): Promise<string> {
  const id = newId("evt");
  const sent = headers();
  sent.set("ce-id", id);
  sent.set("ce-type", desc.typeName);
  sent.set("ce-time", new Date().toISOString());
  const payload = message instanceof Uint8Array ? message : toBinary(desc, create(desc, message));
  await jetstream(connection).publish(`${desc.typeName}.demo.${key}`, payload, { headers: sent });
  return id;
}

const lettersOfEvent = async (id: string): Promise<Record<string, unknown>[]> =>
  ((await get(`/v1/dead-letters?filter.eventId=${id}`))["deadLetters"] ?? []) as Record<string, unknown>[];

test("an order that is created twice is a letter of each service that has it, with the reason", async () => {
  const order = await mesh.place();
  await mesh.reached(order.orderId, OrderState.DELIVERED);
  const manager = await jetstream(connection).jetstreamManager();
  const created = await manager.streams.getMessage("EVENTS", {
    last_by_subj: `p.*.ordermesh.orders.events.v2.OrderCreated.demo.${order.orderId}`,
  });
  if (!created) throw new Error("the order's event is not in the stream");
  const sent = headers();
  const id = newId("evt");
  for (const [name, values] of created.header) if (!name.startsWith("Nats-")) sent.set(name, values[0] ?? "");
  sent.set("ce-id", id);
  await jetstream(connection).publish(`ordermesh.orders.events.v2.OrderCreated.demo.${order.orderId}`, created.data, {
    headers: sent,
  });
  await eventually(async () => {
    const codes = (await lettersOfEvent(id)).map(({ service, code }) => `${String(service)} ${String(code)}`);
    expect(codes).toContain("inventory DUPLICATE_ORDER");
  });
});

test("an update of an order that nobody knows is a letter with the reason", async () => {
  const orderId = newId("ord");
  const id = await publish(ShipmentCreatedSchema, orderId, { orderId, shipmentId: newId("shp") });
  await eventually(async () => {
    expect(await lettersOfEvent(id)).toMatchObject([{ service: "orders", code: "ORDER_UNKNOWN", key: orderId }]);
  });
});

test("letters are listed and counted under the short addresses, page by page", async () => {
  // One that a single service hears.
  for (let index = 0; index < 3; index += 1) await publish(OrderPaymentDueSchema, `bad${index}`, new Uint8Array([255, 255]));
  await until(async () => {
    const { total } = await get("/dlq/stats?filter.code=PAYLOAD_MALFORMED");
    return total === "3";
  });
  const stats = await get("/dlq/stats");
  expect(stats).toMatchObject({ byCode: expect.arrayContaining([{ name: "PAYLOAD_MALFORMED", letters: "3" }]) });
  const idsOf = (answer: Record<string, unknown>): string[] =>
    (answer["deadLetters"] as { letterId: string }[]).map(({ letterId }) => letterId);
  const all = await get("/dlq/messages?filter.code=PAYLOAD_MALFORMED");
  const first = await get("/dlq/messages?filter.code=PAYLOAD_MALFORMED&limit=2&offset=0");
  const second = await get("/dlq/messages?filter.code=PAYLOAD_MALFORMED&limit=2&offset=2");
  expect([...idsOf(first), ...idsOf(second)]).toEqual(idsOf(all));
  const next = await get(`/v1/dead-letters?filter.code=PAYLOAD_MALFORMED&pageSize=2&pageToken=${String(first["nextPageToken"])}`);
  expect(idsOf(next)).toEqual(idsOf(second));
  expect(await get(`/v1/dead-letters/${idsOf(all)[0]}`)).toMatchObject({ payload: "//8=", payloadProblem: expect.any(String) });
});

test("the keys of a type are listed once each, in order, page by page", async () => {
  const orders = await Promise.all([mesh.place(), mesh.place(), mesh.place()]);
  const ids = orders.map(({ orderId }) => orderId);
  await until(async () => {
    const { keys } = await get("/getAllOrderIdsFromTopic?topic=OrderCreated&pageSize=10000");
    return ids.every((id) => (keys as string[]).includes(id));
  });
  const { keys } = await get("/v1/stream-keys?topic=ordermesh.orders.events.v2.OrderCreated&pageSize=10000");
  expect(keys).toEqual((keys as string[]).toSorted());
  expect(new Set(keys as string[]).size).toBe((keys as string[]).length);
  const first = await get("/v1/stream-keys?topic=OrderCreated&pageSize=2");
  const rest = await get(`/v1/stream-keys?topic=OrderCreated&pageSize=10000&pageToken=${String(first["nextPageToken"])}`);
  expect([...(first["keys"] as string[]), ...(rest["keys"] as string[])]).toEqual(keys);
});

test("what does not exist is refused with a reason", async () => {
  const operations = mesh.client(OperationsService);
  const asked = { letterId: "ltr_none", reason: "for a test" };
  expect(await refusal(operations.getDeadLetter(asked))).toMatchObject({ reason: "DEAD_LETTER_NOT_FOUND" });
  expect(await refusal(operations.redriveDeadLetter(asked))).toMatchObject({ reason: "DEAD_LETTER_NOT_FOUND" });
  expect(await refusal(operations.discardDeadLetter(asked))).toMatchObject({ reason: "DEAD_LETTER_NOT_FOUND" });
  expect(await refusal(operations.getRedrive({ redriveId: "rdr_none" }))).toMatchObject({ reason: "REDRIVE_NOT_FOUND" });
  expect(await refusal(operations.listStreamKeys({ topic: "Nothing" }))).toMatchObject({ reason: "TOPIC_UNKNOWN" });
  expect(await refusal(operations.listDeadLetters({ pageToken: "x" }))).toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
  const unknown = { service: "nobody", sinceTime: { seconds: 1n }, reason: "for a test" };
  expect(await refusal(operations.republishEvents(unknown))).toMatchObject({ reason: "SERVICE_UNKNOWN" });
});
