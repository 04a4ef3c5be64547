// Requests that two servers could read in two ways (RFC 9112, 11.2): each is refused as a whole, the connection ends, what it
// hides is never served, and others do not notice.
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { DescMethod } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { detailOf, startTestEdge, type ErrorBody, type TestEdge } from "./transcode/fixture/edge.ts";

let edge: TestEdge;

/** Streams go on until their caller has gone. */
const answer = (method: DescMethod): unknown => (method.methodKind === "server_streaming" ? endless() : {});
async function* endless(): AsyncGenerator<object> {
  for (;;) {
    yield {};
    await pause(20);
  }
}

beforeAll(async () => {
  edge = await startTestEdge([OrdersService], answer, { httpLimits: { headersMs: 300, requestMs: 500, checkMs: 20 } });
});
afterAll(() => edge.close(0));
beforeEach(() => void (edge.heard.length = 0));

/** Hidden behind the others; that it is served would show among what was heard. */
const hidden = "GET /v1/orders/ord_hidden HTTP/1.1\r\nHost: edge\r\n\r\n";
const post = (headers: string, body: string): string =>
  `POST /v1/orders HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\n${headers}\r\n\r\n${body}`;

/** What comes back until the connection ends; the rest is sent once something has come. */
async function talk(bytes: string, rest?: string): Promise<{ text: string; statuses: number[]; ended: boolean }> {
  const socket = connect(edge.port, "127.0.0.1");
  socket.on("error", () => {});
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => void (text += chunk));
  socket.write(bytes, "latin1");
  if (rest !== undefined) socket.once("data", () => void socket.write(rest));
  const ended = await Promise.race([once(socket, "close").then(() => true), pause(3_000).then(() => false)]);
  socket.destroy();
  return { text, statuses: [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status)), ended };
}

const isUnaffected = async (): Promise<void> => {
  const response = await fetch(`${edge.url}/healthz`);
  expect([response.status, await response.json()]).toEqual([200, { status: "ok" }]);
};

describe("refused with 400", () => {
  test.each([
    ["a length and chunks", post("Content-Length: 6\r\nTransfer-Encoding: chunked", `0\r\n\r\n${hidden}`)],
    ["chunks and a length", post("Transfer-Encoding: chunked\r\nContent-Length: 6", `0\r\n\r\n${hidden}`)],
    ["two lengths", post("Content-Length: 0\r\nContent-Length: 70", hidden)],
    ["two equal lengths", post("Content-Length: 2\r\nContent-Length: 2", `{}${hidden}`)],
    ["a list of lengths", post("Content-Length: 0, 70", hidden)],
    ["a signed length", post("Content-Length: +0", hidden)],
    ["a negative length", post("Content-Length: -1", hidden)],
    ["a length in hexadecimal", post("Content-Length: 0x0", hidden)],
    ["a length beyond 64 bits", post("Content-Length: 18446744073709551616", hidden)],
    ["a blank before the colon", post("Content-Length : 0", hidden)],
    ["a header that goes on in the next line", post("X-Folded: a\r\n b\r\nContent-Length: 0", hidden)],
    ["a length that goes on in the next line", post("Content-Length:\r\n 0", hidden)],
    ["lines that end with LF alone", `GET /v1/orders HTTP/1.1\nHost: edge\n\n${hidden}`],
    ["one line that ends with LF alone", `GET /v1/orders HTTP/1.1\r\nHost: edge\nX-A: b\r\n\r\n${hidden}`],
    ["a line that ends with CR alone", `GET /v1/orders HTTP/1.1\r\nHost: edge\rX-A: b\r\n\r\n${hidden}`],
    ["NUL in a header", `GET /v1/orders HTTP/1.1\r\nHost: edge\r\nX-A: a\0b\r\n\r\n${hidden}`],
    ["chunks that end with another coding", post("Transfer-Encoding: chunked, identity", `0\r\n\r\n${hidden}`)],
    ["chunks twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", `0\r\n\r\n${hidden}`)],
    ["a coding that is almost chunked", post("Transfer-Encoding: xchunked", `0\r\n\r\n${hidden}`)],
    ["two hosts", `GET /v1/orders HTTP/1.1\r\nHost: edge\r\nHost: other\r\n\r\n${hidden}`],
    ["no host", `GET /v1/orders HTTP/1.1\r\n\r\n${hidden}`],
    ["a version that is none", `GET /v1/orders HTTP/1.9x\r\nHost: edge\r\n\r\n${hidden}`],
  ])("%s", async (_what, bytes) => {
    const { text, statuses, ended } = await talk(bytes);
    expect(statuses).toHaveLength(1);
    expect([400, 501]).toContain(statuses[0]);
    expect(ended).toBe(true);
    const body: ErrorBody = JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4));
    expect(detailOf(body, "ErrorInfo")).toMatchObject({ reason: "MALFORMED_REQUEST" });
    expect(edge.heard).toEqual([]);
    await isUnaffected();
  });
});

describe("refused in the middle of a body", () => {
  test.each([
    ["a chunk whose size is no number", post("Transfer-Encoding: chunked", `zz\r\n{}\r\n0\r\n\r\n${hidden}`)],
    ["a chunk that is longer than it says", post("Transfer-Encoding: chunked", `1\r\n{}\r\n0\r\n\r\n${hidden}`)],
    ["a chunk whose size is beyond 64 bits", post("Transfer-Encoding: chunked", `fffffffffffffffff\r\n{}\r\n${hidden}`)],
    ["a chunk line that ends with LF alone", post("Transfer-Encoding: chunked", `2\n{}\r\n0\r\n\r\n${hidden}`)],
    [
      "extensions of chunks without end",
      post("Transfer-Encoding: chunked", `2;${"x".repeat(20_000)}\r\n{}\r\n0\r\n\r\n${hidden}`),
    ],
  ])("%s", async (_what, bytes) => {
    const { statuses, ended } = await talk(bytes);
    expect(statuses.filter((status) => status < 400)).toEqual([]);
    expect(ended).toBe(true);
    expect(edge.heard).toEqual([]);
    await isUnaffected();
  });
});

test("a short extension of a chunk is read over, and the request behind it is one of its own", async () => {
  const body = `2;name=value\r\n{}\r\n0\r\n\r\n`;
  const bytes = post("Transfer-Encoding: chunked", body) + hidden.replace("Host: edge", "Host: edge\r\nConnection: close");
  const { statuses, ended } = await talk(bytes);
  expect([statuses.length, ended]).toEqual([2, true]);
  expect(edge.heard.map(({ method }) => method)).toContain("GetOrder");
});

test("a bad request behind a stream adds nothing to it", async () => {
  const { text, statuses, ended } = await talk("GET /v1/orders/ord_1:watch HTTP/1.1\r\nHost: edge\r\n\r\n", "nonsense\r\n\r\n");
  expect([statuses, ended]).toEqual([[200], true]);
  expect(text).not.toContain("MALFORMED_REQUEST");
});

test("a good request, then a bad one, then a good one: the first is served, the last is not", async () => {
  const good = "GET /v1/orders HTTP/1.1\r\nHost: edge\r\n\r\n";
  const { statuses, ended } = await talk(`${good}nonsense\r\n\r\n${hidden}`);
  expect(ended).toBe(true);
  expect(statuses.at(-1)).not.toBe(200);
  expect(edge.heard.some(({ method }) => method === "GetOrder")).toBe(false);
  await isUnaffected();
});
