// Compressed answers and compressed bodies.
import { randomBytes } from "node:crypto";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { create, type DescMethod, type FileRegistry, type Message } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { GetOrderResponseSchema, OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { codingFor } from "./coding.ts";
import { compileContracts, serviceOf } from "./fixture/contracts.ts";
import { detailOf, echo, errorOf, rawRequest, sendRawBytes, startTestEdge, type TestEdge } from "./fixture/edge.ts";
import { defaultLimits } from "./transcoder.ts";

let edge: TestEdge;
let answer: (method: DescMethod, request: Message) => unknown;
const bodyBytesMax = 100_000;

beforeAll(async () => {
  const contracts: FileRegistry = await compileContracts();
  edge = await startTestEdge(
    [serviceOf(contracts, "edge.fixture.v1.EchoService"), OrdersService],
    (method, request, context) => (answer === echo ? echo(method, request, context) : answer(method, request)),
    { limits: { ...defaultLimits, bodyBytesMax, bodiesBytesMax: 3 * bodyBytesMax } },
  );
});
beforeEach(() => {
  edge.heard.length = 0;
  answer = echo as typeof answer;
});
afterAll(() => edge.close(1_000));

test.each<[string | undefined, "br" | "gzip" | undefined]>([
  [undefined, undefined],
  ["", undefined],
  ["gzip", "gzip"],
  ["br", "br"],
  ["gzip, br", "br"],
  ["GZIP, Deflate", "gzip"],
  ["br;q=0.5, gzip;q=0.8", "gzip"],
  ["br;q=0.8, gzip;q=0.5", "br"],
  ["*", "br"],
  ["*;q=0, gzip", "gzip"],
  ["gzip;q=0", undefined],
  ["identity", undefined],
  ["identity, gzip;q=0.5", undefined],
  ["identity;q=0.5, gzip", "gzip"],
  ["deflate, zstd", undefined],
  ["gzip;q=x, br;q=7", undefined],
])("of %j is chosen %j", (accept, coding) => {
  expect(codingFor(accept)).toBe(coding);
});

describe("answers", () => {
  const note = "the same words again and again ".repeat(200);
  const read = (accept: string, method = "GET"): Promise<{ head: string; body: Buffer }> =>
    sendRawBytes(edge.port, rawRequest(method, "/v1/orders/ord_1", { "accept-encoding": accept }));

  test.each([
    ["gzip", gunzipSync],
    ["br", brotliDecompressSync],
  ] as const)("are compressed by %s, with a weak etag", async (coding, expand) => {
    answer = () => create(GetOrderResponseSchema, { order: { orderId: "ord_1", note, etag: '"7"' } });
    const { head, body } = await read(coding);
    expect(head).toMatch(new RegExp(`content-encoding: ${coding}`, "i"));
    expect(head).toMatch(/vary: .*accept-encoding/i);
    expect(head).toMatch(/etag: W\/"7"/i);
    expect(head).toMatch(new RegExp(`content-length: ${body.length}\r\n`, "i"));
    expect(body.length).toBeLessThan(note.length / 4);
    expect(JSON.parse(expand(body).toString())).toMatchObject({ note });
    const toHead = await read(coding, "HEAD");
    expect(toHead.head).toMatch(new RegExp(`content-length: ${body.length}\r\n`, "i"));
    expect(toHead.body.length).toBe(0);
  });

  test("are as they are where the caller does not ask, or they are small", async () => {
    answer = () => create(GetOrderResponseSchema, { order: { orderId: "ord_1", note, etag: '"7"' } });
    const plain = await read("identity");
    expect(plain.head).not.toMatch(/content-encoding/i);
    expect(plain.head).toMatch(/vary: .*accept-encoding/i);
    expect(plain.head).toMatch(/etag: "7"/i);
    answer = () => create(GetOrderResponseSchema, {});
    expect((await read("br")).head).not.toMatch(/content-encoding/i);
  });
});

describe("bodies", () => {
  const post = (body: Uint8Array<ArrayBuffer>, coding: string): Promise<Response> =>
    fetch(`${edge.url}/post`, {
      method: "POST",
      body,
      headers: { "content-type": "application/json", "content-encoding": coding },
    });
  const text = JSON.stringify({ text: "x".repeat(5_000) });

  test.each([
    ["gzip", gzipSync(text)],
    ["x-gzip", gzipSync(text)],
    ["br", brotliCompressSync(text)],
    ["BR", brotliCompressSync(text)],
    ["identity", Buffer.from(text)],
  ])("are taken by %s", async (coding, body) => {
    const response = await post(body, coding);
    expect(response.status).toBe(200);
    expect(edge.heard[0]?.request).toEqual({ text: "x".repeat(5_000) });
  });

  test.each<[string, string, Buffer<ArrayBuffer>, number, string]>([
    ["by an unknown coding", "deflate", Buffer.from(text), 415, "UNSUPPORTED_ENCODING"],
    ["by two", "gzip, br", brotliCompressSync(gzipSync(text)), 415, "UNSUPPORTED_ENCODING"],
    ["that are no gzip", "gzip", Buffer.from(text), 400, "MALFORMED_BODY"],
    ["that are cut off", "gzip", gzipSync(randomBytes(5_000)).subarray(0, 2_000), 400, "MALFORMED_BODY"],
    ["that are cut off (br)", "br", brotliCompressSync(randomBytes(5_000)).subarray(0, 2_000), 400, "MALFORMED_BODY"],
    ["that hold no JSON", "gzip", gzipSync("{"), 400, "MALFORMED_JSON"],
    ["that unpack to more than a body may have", "gzip", gzipSync(Buffer.alloc(50 * bodyBytesMax)), 413, "BODY_TOO_LARGE"],
    ["that do so (br)", "br", brotliCompressSync(Buffer.alloc(50 * bodyBytesMax)), 413, "BODY_TOO_LARGE"],
  ])("%s are refused: %s", async (_, coding, body, status, reason) => {
    const response = await post(body, coding);
    expect(response.status).toBe(status);
    expect(detailOf(await errorOf(response), "ErrorInfo")).toMatchObject({ reason });
    expect(edge.heard).toEqual([]);
  });

  test("many bombs at once leave room for others afterwards", async () => {
    const bomb = gzipSync(Buffer.alloc(50 * bodyBytesMax));
    const statuses = await Promise.all(Array.from({ length: 30 }, async () => (await post(bomb, "gzip")).status));
    expect(new Set([...statuses, 413, 503])).toEqual(new Set([413, 503]));
    expect((await post(gzipSync(text), "gzip")).status).toBe(200);
  });
});
