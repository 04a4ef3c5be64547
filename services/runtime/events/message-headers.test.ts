// On a real server: headers are read as the client reads them, also where a sender wrote what is not usual.
import { AckPolicy, jetstream, jetstreamManager, type JsMsg } from "@nats-io/jetstream";
import { connect, headers, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testNats } from "../../../test/support/nats.ts";
import { writeHeaders } from "./envelope.ts";
import { headerBytes, headersOf } from "./message-headers.ts";

let nats: Awaited<ReturnType<typeof testNats>>;
let connection: NatsConnection;

beforeAll(async () => {
  nats = await testNats();
  connection = await connect({ servers: nats.url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: "HEADERS", subjects: ["headers.>"] });
  await manager.consumers.add("HEADERS", { durable_name: "reader", ack_policy: AckPolicy.None });
});

afterAll(async () => {
  await connection.close();
  await nats.stop();
});

async function delivered(sent: MsgHdrs | undefined): Promise<JsMsg> {
  const js = jetstream(connection);
  await js.publish("headers.one", "payload", sent ? { headers: sent } : {});
  const message = await (await js.consumers.get("HEADERS", "reader")).next({ expires: 5_000 });
  if (!message) throw new Error("nothing was delivered");
  return message;
}

function withHeaders(...pairs: readonly (readonly [string, string])[]): MsgHdrs {
  const written = headers();
  for (const [name, value] of pairs) written.append(name, value);
  return written;
}

const event = {
  id: "evt_1",
  typeName: "ordermesh.orders.events.v2.OrderCreated",
  tenant: "demo",
  key: "ord_1",
  sequence: 1,
  time: new Date("2026-01-02T03:04:05.678Z"),
  cause: { id: "req_1", traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
};

test.each([
  ["those of an event", writeHeaders(event)],
  ["several of one name", withHeaders(["a", "first"], ["a", "second"], ["A", "third"])],
  ["an empty value and spaces", withHeaders(["empty", ""], ["spaces", "  a  b  "])],
  ["colons and other alphabets", withHeaders(["colon", "a:b: c"], ["alphabet", "größer 日本 😀"])],
])("%s are read as the client reads them", async (_what, sent) => {
  const message = await delivered(sent);
  const read = headersOf(message);
  // Should the client keep them elsewhere one day, all goes on, but slower.
  expect(headerBytes(message)?.byteLength).toBeGreaterThan(0);
  expect(read).not.toBe(message.headers);
  const names = [...(message.headers?.keys() ?? []), "absent", "CE-ID"];
  const answered = (of: typeof read) => names.map((name) => [name, of?.get(name), of?.has(name)]);
  expect(answered(read)).toEqual(answered(message.headers));
});

test("a message without headers has none", async () => {
  expect(headersOf(await delivered(undefined))).toBeUndefined();
});

test("a name that the client does not read is refused as it refuses it", async () => {
  const odd = withHeaders();
  (odd as unknown as { headers: Map<string, string[]> }).headers.set("not a name", ["value"]);
  const message = await delivered(odd);
  expect(() => headersOf(message)).toThrow("not a valid character");
});

test("what would begin another header is not written", () => {
  const cause = { id: "req_1\r\nNats-Rollup: all", traceparent: "" };
  expect(() => writeHeaders({ ...event, cause })).toThrow("header ce-causeid of event evt_1 has a line break");
});
