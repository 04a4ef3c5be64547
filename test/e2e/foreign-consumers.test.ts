// Consumers that are not ours read the events by their contract.
import { fileURLToPath } from "node:url";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { jetstream } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import { CloudEvent, HTTP } from "cloudevents";
import { connect as connectOld, consumerOpts } from "nats";
import protobuf from "protobufjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrderCreatedSchema as V1 } from "#gen/ordermesh/orders/events/v1/order_created_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import type { Order } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { layOutThirdParty } from "../../tools/third-party.ts";
import { OrderState, testMesh, type TestMesh } from "../support/mesh.ts";
import { eventually } from "../support/until.ts";

let mesh: TestMesh;
let order: Order;

beforeAll(async () => {
  mesh = await testMesh();
  await mesh.product("MUG");
  const { orderId } = await mesh.place({ items: [{ sku: "MUG", quantity: 2n }] });
  order = await mesh.reached(orderId, OrderState.DELIVERED);
});

afterAll(() => mesh.close());

test("a consumer on the older nats package reads OrderCreated", async () => {
  const connection = await connectOld({ servers: mesh.natsUrl });
  try {
    const options = consumerOpts()
      .orderedConsumer()
      .deliverAll()
      .filterSubject("p.*.ordermesh.orders.events.v2.OrderCreated.>")
      .bindStream("EVENTS");
    const subscription = await connection.jetstream().subscribe("", options);
    for await (const message of subscription) {
      const event = fromBinary(OrderCreatedSchema, message.data);
      expect(event).toMatchObject({
        orderId: order.orderId,
        buyer: { customerId: "ada" },
        lines: [{ sku: "MUG", quantity: 2n }],
      });
      expect(event.total).toEqual(order.total);
      expect(message.headers?.get("ce-type")).toBe(OrderCreatedSchema.typeName);
      break;
    }
  } finally {
    await connection.close();
  }
});

test("a consumer with nothing but the contracts and @nats-io follows the whole order, the headers read by the CloudEvents SDK", async () => {
  await layOutThirdParty();
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const contracts = new protobuf.Root();
  // Google's own types come with protobufjs.
  contracts.resolvePath = (_origin, target) =>
    target.startsWith("google/protobuf/")
      ? `${root}node_modules/protobufjs/${target}`
      : `${root}${target.startsWith("ordermesh/") ? "proto" : "third_party"}/${target}`;
  await contracts.load(["ordermesh/orders/events/v1/order_events.proto", "ordermesh/orders/events/v2/order_created.proto"]);
  const connection = await connect({ servers: mesh.natsUrl });
  try {
    const consumer = await jetstream(connection).consumers.get("EVENTS", { filter_subjects: ["p.*.ordermesh.orders.events.>"] });
    const names: string[] = [];
    const sequences: number[] = [];
    for await (const message of await consumer.fetch({ max_messages: 5, expires: 5_000 })) {
      const given = Object.fromEntries(
        message.headers?.keys().map((name) => [name.toLowerCase(), message.headers?.get(name)]) ?? [],
      );
      const event = HTTP.toEvent({ headers: given, body: Buffer.from(message.data) });
      if (!(event instanceof CloudEvent)) throw new Error("one message is one event");
      expect(event).toMatchObject({
        specversion: "1.0",
        source: "ordermesh/orders",
        subject: order.orderId,
        datacontenttype: "application/protobuf",
      });
      expect(event.validate()).toBe(true);
      expect(event.id).toMatch(/^evt_/);
      expect(Number.isNaN(Date.parse(event.time ?? ""))).toBe(false);
      const decoded = contracts.lookupType(event.type).decode(message.data).toJSON();
      expect(decoded["orderId"]).toBe(order.orderId);
      names.push(event.type.split(".").at(-1) ?? "");
      sequences.push(Number(event["sequence"]));
      expect(given["traceparent"]).toMatch(/^00-[0-9a-f]{32}-/);
    }
    expect(names).toEqual(["OrderCreated", "OrderPaymentDue", "OrderReady", "OrderShipped", "OrderDelivered"]);
    expect(sequences).toEqual([1, 2, 3, 4, 5]);
  } finally {
    await connection.close();
  }
});

test("an OrderCreated of the first version, published by a stranger, is handled like one of today", async () => {
  const connection = await connect({ servers: mesh.natsUrl });
  try {
    const orderId = "ord_00000000000000000000000000";
    const event = create(V1, {
      orderId,
      customerId: "ada",
      lines: [{ sku: "MUG", quantity: 3n, unitPriceMinorUnits: 1000n }],
      currencyCode: "EUR",
      totalMinorUnits: 3000n,
      createTime: timestampFromDate(new Date()),
      expireTime: timestampFromDate(new Date(Date.now() + 600_000)),
    });
    const given = headers();
    given.set("ce-id", "evt-of-a-stranger");
    given.set("ce-type", V1.typeName);
    await jetstream(connection).publish(`${V1.typeName}.demo.${orderId}`, toBinary(V1, event), { headers: given });
    await eventually(async () => {
      const { reservation } = await mesh.inventory.getReservation({ orderId });
      expect(reservation?.lines).toMatchObject([{ sku: "MUG", quantity: 3n }]);
    });
  } finally {
    await connection.close();
  }
});
