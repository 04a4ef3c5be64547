// Server streams: two formats, resuming, late errors, heartbeats, and an end on either side.
import { once } from "node:events";
import { createConnection } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { FileRegistry } from "@bufbuild/protobuf";
import { Code, type HandlerContext } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { compileContracts, serviceOf } from "./fixture/contracts.ts";
import {
  detailOf,
  errorOf,
  rawRequest,
  sendRaw,
  startTestEdge,
  violatedFields,
  type ErrorBody,
  type TestEdge,
} from "./fixture/edge.ts";

interface Tick {
  sequence: bigint;
  text?: string;
}
type Ticks = (afterSequence: bigint, context: HandlerContext) => AsyncIterable<Tick>;

let edge: TestEdge;
let contracts: FileRegistry;
let ticks: Ticks;

const limits = { stream: { headerWaitMs: 80, heartbeatMs: 40, stalledMsMax: 200 } };

const startTicks = (options: Parameters<typeof startTestEdge>[2] = { limits }): Promise<TestEdge> =>
  startTestEdge(
    [serviceOf(contracts, "edge.fixture.v1.EchoService"), OrdersService],
    (method, request, context) => {
      const after = "afterSequence" in request && typeof request.afterSequence === "bigint" ? request.afterSequence : 0n;
      return method.methodKind === "server_streaming" ? ticks(after, context) : {};
    },
    options,
  );

async function* three(after: bigint): AsyncGenerator<Tick> {
  for (let sequence = after + 1n; sequence <= 3n; sequence += 1n) yield { sequence };
}

beforeAll(async () => {
  contracts = await compileContracts();
  edge = await startTicks();
});
beforeEach(() => {
  ticks = three;
  edge.heard.length = 0;
});
afterAll(() => edge.close(1_000));

const events = { accept: "text/event-stream" };

describe("newline-delimited JSON", () => {
  test("is what a stream is by default: a message a line", async () => {
    const response = await fetch(`${edge.url}/ticks`);
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    expect(await response.text()).toBe('{"sequence":"1","text":""}\n{"sequence":"2","text":""}\n{"sequence":"3","text":""}\n');
  });

  test("an empty stream is an empty answer", async () => {
    ticks = async function* () {};
    const response = await fetch(`${edge.url}/ticks`);
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });

  test("an error before the first message is an answer of its own", async () => {
    ticks = async function* () {
      yield* [];
      throw refuse(Code.NotFound, "ORDER_NOT_FOUND", "no such order");
    };
    const response = await fetch(`${edge.url}/ticks`);
    expect(response.status).toBe(404);
    expect(detailOf(await errorOf(response), "ErrorInfo")).toMatchObject({ reason: "ORDER_NOT_FOUND" });
  });

  test("a late error is the last record", async () => {
    ticks = async function* () {
      yield { sequence: 1n };
      throw refuse(Code.Aborted, "LATE", "too late");
    };
    const lines = (await (await fetch(`${edge.url}/ticks`)).text()).trim().split("\n");
    expect(lines).toHaveLength(2);
    const last: { error: ErrorBody } = JSON.parse(lines[1] ?? "");
    expect(last.error).toMatchObject({ code: 10, message: "too late" });
    expect(detailOf(last.error, "ErrorInfo")).toMatchObject({ reason: "LATE" });
  });

  test("a late mistake of ours is an internal error", async () => {
    ticks = async function* () {
      yield { sequence: 1n };
      throw new Error("hunter2");
    };
    const text = await (await fetch(`${edge.url}/ticks`)).text();
    expect(text).toContain('"error":{"code":13,"message":"internal error"');
    expect(text).not.toContain("hunter2");
  });
});

describe("Server-Sent Events", () => {
  test("have ids and an end", async () => {
    const response = await fetch(`${edge.url}/ticks`, { headers: events });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.text()).toBe(
      'id: 1\ndata: {"sequence":"1","text":""}\n\nid: 2\ndata: {"sequence":"2","text":""}\n\n' +
        'id: 3\ndata: {"sequence":"3","text":""}\n\nevent: end\ndata: {}\n\n',
    );
  });

  test.each([
    ["text/event-stream", true],
    ["application/json, text/event-stream;q=0.5", true],
    ["TEXT/EVENT-STREAM", true],
    ["text/event-stream;q=0", false],
    ["text/event-streams", false],
    ["*/*", false],
  ])("Accept: %s asks for them: %s", async (accept, asked) => {
    const response = await fetch(`${edge.url}/ticks`, { headers: { accept } });
    expect(response.headers.get("content-type") === "text/event-stream").toBe(asked);
    await response.text();
  });

  test("Last-Event-ID goes on after it, and is newer than the address", async () => {
    const response = await fetch(`${edge.url}/ticks?afterSequence=1`, { headers: { ...events, "last-event-id": "2" } });
    expect(await response.text()).toMatch(/^id: 3\n/);
    expect(edge.heard[0]?.request).toEqual({ afterSequence: "2" });
  });

  test("nothing after the last event is 204, so that a browser stops asking", async () => {
    const response = await fetch(`${edge.url}/ticks`, { headers: { ...events, "last-event-id": "3" } });
    expect([response.status, await response.text()]).toEqual([204, ""]);
  });

  test("a Last-Event-ID that is none is refused", async () => {
    const response = await fetch(`${edge.url}/ticks`, { headers: { ...events, "last-event-id": "x" } });
    expect(response.status).toBe(400);
    expect(violatedFields(await errorOf(response))).toEqual(["Last-Event-ID"]);
  });

  test("a late error is an event of its own", async () => {
    ticks = async function* () {
      yield { sequence: 1n };
      throw refuse(Code.Aborted, "LATE", "too late");
    };
    const text = await (await fetch(`${edge.url}/ticks`, { headers: events })).text();
    expect(text).toMatch(/event: error\ndata: \{"code":10,"message":"too late",.*\}\n\n$/);
    expect(text).not.toContain("event: end");
  });

  test("line breaks in the data stay inside one data line", async () => {
    ticks = async function* () {
      yield { sequence: 1n, text: "a\nb\r\n\ndata: c\u2028" };
    };
    const text = await (await fetch(`${edge.url}/ticks`, { headers: events })).text();
    const data = text.split("\n").find((line) => line.startsWith("data: "));
    expect(JSON.parse(data?.slice(6) ?? "")).toMatchObject({ text: "a\nb\r\n\ndata: c\u2028" });
  });

  test("WatchOrder resumes by its own contract", async () => {
    const response = await fetch(`${edge.url}/v1/orders/ord_1:watch`, { headers: { ...events, "last-event-id": "2" } });
    expect(await response.text()).toMatch(/^id: 3\n/);
    expect(edge.heard[0]).toMatchObject({ method: "WatchOrder", request: { orderId: "ord_1", afterSequence: "2" } });
  });
});

describe("while it lasts", () => {
  async function* quiet(_after: bigint, context: HandlerContext): AsyncGenerator<Tick> {
    yield { sequence: 1n };
    await once(context.signal, "abort");
    throw context.signal.reason;
  }

  test.each([
    ["application/x-ndjson", "}\n\n\n"],
    ["text/event-stream", "}\n\n:\n\n:\n\n"],
  ])("a quiet stream has heartbeats (%s)", async (accept, want) => {
    ticks = quiet;
    const gone = new AbortController();
    const response = await fetch(`${edge.url}/ticks`, { headers: { accept }, signal: gone.signal });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes(want)) text += (await reader.read()).value ?? "";
    gone.abort();
    await vi.waitFor(() => expect(edge.heard[0]?.signal.aborted).toBe(true));
  });

  test("headers come before the first message where that takes long", async () => {
    ticks = async function* (_after, context) {
      await once(context.signal, "abort");
      yield { sequence: 1n };
    };
    const gone = new AbortController();
    const response = await fetch(`${edge.url}/ticks`, { headers: events, signal: gone.signal });
    expect(response.status).toBe(200);
    gone.abort();
    await vi.waitFor(() => expect(edge.heard[0]?.signal.aborted).toBe(true));
  });

  test("an error that comes while the process is held up is still an answer of its own", async () => {
    ticks = async function* () {
      yield* [];
      await pause(10);
      const heldUntilMs = performance.now() + 2 * limits.stream.headerWaitMs;
      while (performance.now() < heldUntilMs);
      // As after an answer of another process: what has come is read in a later turn than the timers that became due.
      await new Promise(setImmediate);
      await new Promise(setImmediate);
      throw refuse(Code.PermissionDenied, "SCOPE_REQUIRED", "not with this token");
    };
    expect((await fetch(`${edge.url}/ticks`)).status).toBe(403);
  });

  test("a caller that goes away ends the stream", async () => {
    ticks = quiet;
    const socket = createConnection({ port: edge.port, host: "127.0.0.1" });
    socket.write(rawRequest("GET", "/ticks"));
    await once(socket, "data");
    socket.destroy();
    await vi.waitFor(() => expect(edge.heard[0]?.signal.aborted).toBe(true));
    expect(edge.logs).not.toContainEqual(expect.stringContaining("Cancel"));
  });

  test("a caller that does not read is cut off, and holds nothing", async () => {
    let produced = 0;
    ticks = async function* (_after, context) {
      while (!context.signal.aborted) {
        produced += 1;
        yield { sequence: BigInt(produced), text: "x".repeat(100_000) };
      }
    };
    const socket = createConnection({ port: edge.port, host: "127.0.0.1" });
    socket.pause();
    socket.on("error", () => {});
    socket.write(rawRequest("GET", "/ticks"));
    await vi.waitFor(() => expect(edge.heard[0]?.signal.aborted).toBe(true), { timeout: 5_000 });
    expect(produced).toBeLessThan(500);
    socket.destroy();
  });

  test("HEAD has the headers, and the stream does not go on behind it", async () => {
    ticks = quiet;
    const answer = await sendRaw(edge.port, rawRequest("HEAD", "/ticks"));
    expect(answer).toMatchObject({ status: 200, body: "", headers: { "content-type": "application/x-ndjson" } });
    await vi.waitFor(() => expect(edge.heard[0]?.signal.aborted).toBe(true));
  });

  test("X-Server-Timeout ends it with a deadline", async () => {
    ticks = quiet;
    const text = await (await fetch(`${edge.url}/ticks`, { headers: { "x-server-timeout": "0.1" } })).text();
    expect(text).toMatch(/\{"error":\{"code":4,/);
  });

  test("a stream at its longest is told to be resumed", async () => {
    ticks = quiet;
    const short = await startTicks({ limits: { ...limits, streamMsMax: 60 } });
    const text = await (await fetch(`${short.url}/ticks`)).text();
    expect(text).toMatch(/"error":\{"code":14,.*STREAM_ENDED/);
    await short.close(1_000);
  });

  test("a closing edge ends its streams and is gone at once", async () => {
    ticks = quiet;
    const closing = await startTicks();
    const response = await fetch(`${closing.url}/ticks`, { headers: events });
    const text = response.text();
    await pause(10);
    const before = performance.now();
    await closing.close(5_000);
    expect(performance.now() - before).toBeLessThan(1_000);
    expect(await text).toMatch(/event: error\n.*STREAM_ENDED/);
  });
});
