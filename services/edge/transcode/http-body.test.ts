// Bytes go through as they are, in both directions, with their type.
import { randomBytes } from "node:crypto";
import { create, isMessage, type DescMethod, type FileRegistry, type Message } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HttpBodySchema, type HttpBody } from "#gen/google/api/httpbody_pb.ts";
import { compileContracts, serviceOf } from "./fixture/contracts.ts";
import { startTestEdge, type TestEdge } from "./fixture/edge.ts";

const bytesMax = 100_000;
let contracts: FileRegistry;
let edge: TestEdge;
let requests: Message[];
let answer: (method: DescMethod, request: Message, context: HandlerContext) => unknown;

beforeAll(async () => {
  contracts = await compileContracts();
  edge = await startTestEdge(
    [serviceOf(contracts, "edge.fixture.v1.BytesService")],
    (method, request, context) => {
      requests.push(request);
      return answer(method, request, context);
    },
    { limits: { bodyBytesMax: bytesMax } },
  );
});
beforeEach(() => {
  requests = [];
  answer = (_, request) => request;
});
afterAll(() => edge.close(1_000));

const png = Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0xff, 0xfe]), randomBytes(5_000)]);
const send = (target: string, init: RequestInit) => fetch(edge.url + target, init);
const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());

describe("as the whole message", () => {
  test("what is sent arrives as it is, and what is answered too", async () => {
    const response = await send("/bytes", { method: "POST", body: png, headers: { "content-type": "image/png" } });
    expect([response.status, response.headers.get("content-type")]).toEqual([201, "image/png"]);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await bytesOf(response)).toEqual(png);
    expect(isMessage(requests[0], HttpBodySchema) && requests[0].contentType).toBe("image/png");
  });

  test.each(["application/json", "application/x-www-form-urlencoded", "text/plain; charset=latin1", ""])(
    "a body of type %j is not read as anything else",
    async (type) => {
      const body = new Blob(['{"content_type":"a","data":"YQ=="}']).stream();
      const headers = type === "" ? {} : { "content-type": type };
      const response = await send("/bytes", { method: "POST", body, headers, duplex: "half" });
      expect(response.headers.get("content-type")).toBe(type || "application/octet-stream");
      expect(await response.text()).toBe('{"content_type":"a","data":"YQ=="}');
    },
  );

  test("no body is no bytes", async () => {
    const response = await send("/bytes", { method: "POST" });
    expect([response.status, (await bytesOf(response)).length]).toEqual([201, 0]);
  });

  test("too many bytes are 413, ones of an unknown coding 415, and the call is not made", async () => {
    expect((await send("/bytes", { method: "POST", body: Buffer.alloc(bytesMax + 1) })).status).toBe(413);
    const headers = { "content-encoding": "zstd" };
    expect((await send("/bytes", { method: "POST", body: png, headers })).status).toBe(415);
    expect(requests).toEqual([]);
  });

  test("HEAD says type and length, and sends nothing", async () => {
    answer = () => create(HttpBodySchema, { contentType: "image/png", data: png });
    const response = await send("/bytes", { method: "HEAD" });
    expect(response.headers.get("content-type")).toBe("image/png");
    expect(response.headers.get("content-length")).toBe(String(png.length));
    expect((await bytesOf(response)).length).toBe(0);
  });

  test("query parameters have no place beside it", async () => {
    expect((await send("/bytes?content_type=a", { method: "POST", body: png })).status).toBe(400);
  });
});

test("as a field: path and query go beside it, and the field alone is answered", async () => {
  const headers = { "content-type": "image/png" };
  const response = await send("/files/cat?note=old", { method: "PUT", body: png, headers });
  expect(response.headers.get("content-type")).toBe("image/png");
  expect(await bytesOf(response)).toEqual(png);
  expect(requests[0]).toMatchObject({ name: "cat", note: "old" });
  answer = (method) => create(method.output, {});
  const unset = await send("/files/cat", { method: "PUT", body: png, headers });
  expect([unset.headers.get("content-type"), (await bytesOf(unset)).length]).toEqual(["application/octet-stream", 0]);
});

test("only headers that the method asks for travel to it", async () => {
  await send("/bytes", { method: "POST", body: png, headers: { "x-signature": "t=1,v1=ab", "x-other": "b" } });
  await send("/files/cat", { method: "PUT", body: png, headers: { "x-signature": "t=1,v1=ab" } });
  expect(edge.heard.slice(-2).map(({ headers }) => headers.get("x-signature"))).toEqual(["t=1,v1=ab", null]);
  expect(edge.heard.at(-2)?.headers.get("x-other")).toBeNull();
});

describe("a stream is a download", () => {
  const parts = (count: number, fail?: unknown) => {
    const data = randomBytes(50_000);
    return async function* stream(): AsyncGenerator<HttpBody> {
      for (let index = 0; index < count; index += 1) {
        await Promise.resolve();
        yield create(HttpBodySchema, { contentType: index === 0 ? "application/zip" : "", data });
      }
      if (fail !== undefined) throw fail;
    };
  };

  test("of all its parts, with the first one's type", async () => {
    answer = parts(100);
    const response = await send("/bytes:stream", {});
    expect(response.headers.get("content-type")).toBe("application/zip");
    expect((await bytesOf(response)).length).toBe(5_000_000);
  });

  test("that fails before its first byte is an error, and later a download that no client takes for whole", async () => {
    const gone = new ConnectError("gone", Code.NotFound);
    answer = parts(0, gone);
    expect((await send("/bytes:stream", {})).status).toBe(404);
    answer = parts(3, gone);
    const response = await send("/bytes:stream", {});
    expect(response.status).toBe(200);
    await expect(response.arrayBuffer()).rejects.toThrow("terminated");
  });

  test("of nothing is an empty one, and HEAD has its head alone", async () => {
    answer = parts(0);
    expect((await bytesOf(await send("/bytes:stream", {}))).length).toBe(0);
    answer = parts(3);
    const head = await send("/bytes:stream", { method: "HEAD" });
    expect([head.status, head.headers.get("content-type")]).toEqual([200, "application/zip"]);
  });
});
