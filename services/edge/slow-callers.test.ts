// Callers who take a connection and then their time: each is cut, and meanwhile others are served.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { placeOf } from "#runtime/limits/connection-bounds.ts";
import { until } from "../../test/support/until.ts";
import { startTestEdge, type TestEdge } from "./transcode/fixture/edge.ts";

let edge: TestEdge;
let bounded: TestEdge;
const sockets: Slow[] = [];
const limits = { headersMs: 300, requestMs: 600, keepAliveMs: 200, checkMs: 20 };

interface Slow {
  socket: Socket;
  text(): string;
  isEnded(): boolean;
}

function open(port: number, first = ""): Slow {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  let isEnded = false;
  socket.on("error", () => {});
  socket.on("data", (chunk) => void (text += chunk.toString()));
  socket.once("close", () => (isEnded = true));
  if (first !== "") socket.write(first);
  const slow = { socket, text: () => text, isEnded: () => isEnded };
  sockets.push(slow);
  return slow;
}

/** A byte at a time, for as long as somebody takes it. */
function drip(slow: Slow, text: string): NodeJS.Timeout {
  let index = 0;
  const timer = setInterval(() => {
    if (slow.isEnded()) return clearInterval(timer);
    slow.socket.write(text[index++ % text.length] ?? "x");
  }, 20);
  return timer;
}

beforeAll(async () => {
  [edge, bounded] = await Promise.all([
    startTestEdge([OrdersService], () => ({}), { httpLimits: limits }),
    startTestEdge([OrdersService], () => ({}), { env: { ORDERMESH_EDGE_CONNECTIONS_PER_ADDRESS: "5" } }),
  ]);
});
afterEach(() => {
  for (const { socket } of sockets.splice(0)) socket.destroy();
});
afterAll(() => Promise.all([edge.close(0), bounded.close(0)]));

const start = "POST /v1/orders HTTP/1.1\r\nHost: edge\r\n";
const withBody = `${start}Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n`;

test.each([
  { what: "headers that drip", first: start, dripped: "X-A: b\r\n" },
  { what: "a body that drips", first: withBody, dripped: " " },
  {
    what: "chunks that drip",
    first: `${start}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
    dripped: "1\r\n \r\n",
  },
])("$what end in 408, and the connection with it", async ({ first, dripped }) => {
  const slow = open(edge.port, first);
  const timer = drip(slow, dripped);
  await until(() => slow.isEnded(), { timeoutMs: 10_000 });
  clearInterval(timer);
  expect(slow.text()).toMatch(/^HTTP\/1\.1 408 /);
  expect(edge.heard).toEqual([]);
});

test("a connection that says nothing is ended", async () => {
  const slow = open(edge.port);
  await until(() => slow.isEnded(), { timeoutMs: 10_000 });
  expect(slow.text()).not.toMatch(/ 200 /);
});

test("a connection that says nothing more is ended without a word", async () => {
  const slow = open(edge.port, "GET /healthz HTTP/1.1\r\nHost: edge\r\n\r\n");
  await until(() => slow.isEnded(), { timeoutMs: 10_000 });
  expect(slow.text().match(/HTTP\/1\.1/g)).toHaveLength(1);
});

test("others are served while many are slow", async () => {
  const slow = Array.from({ length: 200 }, (_, index) => open(edge.port, index % 2 === 0 ? start : withBody));
  const timers = slow.map((each) => drip(each, "a"));
  for (let asked = 0; asked < 10; asked += 1) expect((await fetch(`${edge.url}/healthz`)).status).toBe(200);
  await until(() => slow.every((each) => each.isEnded()), { timeoutMs: 20_000 });
  for (const timer of timers) clearInterval(timer);
  expect((await fetch(`${edge.url}/healthz`)).status).toBe(200);
});

test("an address has so many connections, and others again when those have ended", async () => {
  const held = Array.from({ length: 5 }, () => open(bounded.port));
  await Promise.all(held.map(({ socket }) => once(socket, "connect")));
  const sixth = open(bounded.port, "GET /healthz HTTP/1.1\r\nHost: edge\r\n\r\n");
  await until(() => sixth.isEnded(), { timeoutMs: 5_000 });
  expect(sixth.text()).toBe("");
  held[0]?.socket.destroy();
  await until(async () => {
    const next = open(bounded.port, "GET /healthz HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n");
    await until(() => next.isEnded());
    return next.text().includes(" 200 ");
  });
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8:1:2::9", "2001:db8:1:2"],
  ["2001:db8::9", "2001:db8:0:0"],
  ["::1", "0:0:0:0"],
])("%s counts as %s", (address, place) => {
  expect(placeOf(address)).toBe(place);
});
