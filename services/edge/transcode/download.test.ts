// Downloads in parts: RFC 9110, sections 13 and 14.
import { create, type DescMethod, type Message } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { refuse } from "#runtime/errors.ts";
import { compileContracts, serviceOf } from "./fixture/contracts.ts";
import { startTestEdge, violatedFields, errorOf, type TestEdge } from "./fixture/edge.ts";

const whole = Buffer.from("0123456789abcdefghij");
let edge: TestEdge;
let tag: string;
let chunksSent: number;

beforeAll(async () => {
  const contracts = await compileContracts();
  edge = await startTestEdge([serviceOf(contracts, "edge.fixture.v1.PartsService")], (method, request) =>
    answer(method, request),
  );
});
beforeEach(() => {
  tag = '"one"';
  chunksSent = 0;
});
afterAll(() => edge.close(1_000));

async function* answer(method: DescMethod, request: Message) {
  const { offset, limit } = request as unknown as { offset: bigint; limit: bigint };
  const size = whole.length;
  const start = offset < 0n ? Math.max(0, size + Number(offset)) : Number(offset);
  if (start >= size) throw refuse(Code.OutOfRange, "NO_SUCH_BYTES", "there are no such bytes", { bytesTotal: String(size) });
  const end = limit === 0n ? size : Math.min(size, start + Number(limit));
  yield create(method.output, { content: { contentType: "text/plain" }, size: BigInt(size), tag });
  for (const byte of whole.subarray(start, end)) {
    chunksSent += 1;
    await Promise.resolve();
    yield create(method.output, { content: { contentType: "text/plain", data: Uint8Array.of(byte) } });
  }
}

const get = (headers: Record<string, string> = {}, init: RequestInit = {}) => fetch(`${edge.url}/parts/a`, { headers, ...init });

test("the whole says how long it is, which it is, and that parts may be asked for", async () => {
  const response = await get();
  expect([response.status, await response.text()]).toEqual([200, whole.toString()]);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-length": "20",
    "content-type": "text/plain",
    "accept-ranges": "bytes",
    "cache-control": "public, max-age=60",
    etag: '"one"',
    vary: "Accept",
  });
});

test.each([
  ["bytes=0-3", "bytes 0-3/20", "0123"],
  ["bytes=5-5", "bytes 5-5/20", "5"],
  ["bytes=17-", "bytes 17-19/20", "hij"],
  ["bytes=-4", "bytes 16-19/20", "ghij"],
  ["bytes=-900", "bytes 0-19/20", whole.toString()],
  ["bytes=18-900", "bytes 18-19/20", "ij"],
  ["Bytes = 1-2", "bytes 1-2/20", "12"],
])("%s is 206 with %s", async (range, contentRange, text) => {
  const response = await get({ range });
  expect([response.status, response.headers.get("content-range"), await response.text()]).toEqual([206, contentRange, text]);
  expect(response.headers.get("content-length")).toBe(String(text.length));
});

test.each(["bytes=20-", "bytes=20-30", "bytes=99-"])("%s is 416 and says how much there is", async (range) => {
  const response = await get({ range });
  expect([response.status, response.headers.get("content-range")]).toEqual([416, "bytes */20"]);
  expect(JSON.stringify(await errorOf(response))).toContain("RANGE_NOT_SATISFIABLE");
});

test.each(["bytes=3-1", "bytes=0-1,3-4", "lines=0-1", "bytes=", "bytes=-", "bytes=-0", "bytes=a-b"])(
  "%s means nothing here and is passed over",
  async (range) => {
    const response = await get({ range });
    expect([response.status, await response.text()]).toEqual([200, whole.toString()]);
  },
);

describe("conditions", () => {
  test.each(['"one"', 'W/"one"', '"other", "one"', "*"])("who knows %s is told so, and no byte is read", async (known) => {
    const response = await get({ "if-none-match": known });
    expect([response.status, response.headers.get("etag"), await response.text()]).toEqual([304, '"one"', ""]);
    expect(response.headers.get("cache-control")).toBe("public, max-age=60");
    expect(chunksSent).toBeLessThan(2);
  });

  test("who knows another gets the whole", async () => {
    expect((await get({ "if-none-match": '"other"' })).status).toBe(200);
  });

  test("a part goes on with what it began with, and else it is the whole", async () => {
    expect((await get({ range: "bytes=2-", "if-range": '"one"' })).status).toBe(206);
    for (const headers of [
      { range: "bytes=2-", "if-range": '"other"' },
      { range: "bytes=2-", "if-range": 'W/"one"' },
      { range: "bytes=99-", "if-range": '"other"' },
    ]) {
      const response = await get(headers);
      expect([response.status, await response.text()]).toEqual([200, whole.toString()]);
    }
  });
});

test("HEAD has the head of the whole, whatever part it names", async () => {
  const response = await get({ range: "bytes=0-3" }, { method: "HEAD" });
  expect([response.status, response.headers.get("content-length"), await response.text()]).toEqual([200, "20", ""]);
});

test("parts are asked for by the header alone", async () => {
  const response = await fetch(`${edge.url}/parts/a?offset=3`);
  expect([response.status, violatedFields(await errorOf(response))]).toEqual([400, ["offset"]]);
});
