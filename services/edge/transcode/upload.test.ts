// Client streams: bodies that go on while they come, forms with a file, lines of JSON; and what of them is refused.
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { create, toJson, type DescMethod, type FileRegistry, type JsonObject, type Message } from "@bufbuild/protobuf";
import { Code, createRouterTransport } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HttpBodySchema, type HttpBody } from "#gen/google/api/httpbody_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { compileContracts, serviceOf } from "./fixture/contracts.ts";
import { errorOf, sendRaw, startTestEdge, violatedFields, type TestEdge } from "./fixture/edge.ts";

/** More than the buffers of two sockets take. */
const streamedBytesMax = 24_000_000;

/** What the service has heard of one call. */
interface HeardCall {
  fields: JsonObject[];
  chunks: Uint8Array[];
  bytesRead: number;
  types: Set<string>;
  /** Undefined while it goes on. */
  end: "whole" | "failed" | undefined;
}

let contracts: FileRegistry;
let edge: TestEdge;
let calls: HeardCall[];
/** Is asked after each message. */
let onMessage: (call: HeardCall) => Promise<void> | void;

beforeAll(async () => {
  contracts = await compileContracts();
  const service = serviceOf(contracts, "edge.fixture.v1.UploadService");
  const handlerOf = (method: DescMethod) => async (messages: AsyncIterable<Message>) => {
    const call: HeardCall = { fields: [], chunks: [], bytesRead: 0, types: new Set(), end: undefined };
    calls.push(call);
    try {
      for await (const message of messages) {
        note(method, message, call);
        await onMessage(call);
      }
      call.end = "whole";
    } finally {
      call.end ??= "failed";
    }
    return create(method.output, { route: method.name });
  };
  const transport = createRouterTransport((router) => {
    const handlers = Object.fromEntries(service.methods.map((method) => [method.localName, handlerOf(method)]));
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the answers fit the methods by the tests' care
    router.service(service, handlers as never);
  });
  edge = await startTestEdge([service], undefined, {
    transportFor: () => transport,
    limits: { streamedBytesMax, bodyBytesMax: 50_000 },
  });
});
beforeEach(() => {
  calls = [];
  onMessage = () => {};
});
afterAll(() => edge.close(1_000));

function note(method: DescMethod, message: Message, call: HeardCall): void {
  if (method.input.typeName === HttpBodySchema.typeName) return addBytes(call, message as HttpBody);
  const { content } = message as unknown as { content?: HttpBody };
  if (content) addBytes(call, content);
  const { content: _, ...fields } = toJson(method.input, message) as JsonObject;
  if (!content || Object.keys(fields).length > 0) call.fields.push(fields);
}

function addBytes(call: HeardCall, { contentType, data }: HttpBody): void {
  call.types.add(contentType);
  call.chunks.push(data);
  call.bytesRead += data.length;
}

const bytesOf = (call: HeardCall | undefined): Buffer => Buffer.concat(call?.chunks ?? []);

const send = (target: string, init: RequestInit) => fetch(edge.url + target, init);
const photo = randomBytes(1_000_000);

describe("bytes", () => {
  test("go through as they are; path and query are in the first message", async () => {
    const headers = { "content-type": "image/jpeg" };
    const response = await send("/pieces/cat?note=old", { method: "PUT", body: photo, headers });
    expect(response.status).toBe(200);
    expect(bytesOf(calls[0]).equals(photo)).toBe(true);
    expect(calls[0]).toMatchObject({ fields: [{ name: "cat", note: "old" }], types: new Set(["image/jpeg"]), end: "whole" });
  });

  test("may be the whole message, and may be none", async () => {
    await send("/bare-pieces", { method: "POST", body: photo });
    await send("/bare-pieces", { method: "POST" });
    expect(calls.map(({ bytesRead }) => bytesRead)).toEqual([photo.length, 0]);
  });

  test("are not asked for faster than the service takes them", async () => {
    const gate = Promise.withResolvers<void>();
    onMessage = () => gate.promise;
    let sent = 0;
    const body = new ReadableStream(
      {
        pull(controller) {
          sent += 500_000;
          controller.enqueue(photo.subarray(0, 500_000));
          if (sent >= streamedBytesMax) controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    const answer = send("/bare-pieces", { method: "POST", body, duplex: "half" });
    while (calls.length === 0) await pause(5);
    await pause(100);
    const before = sent;
    gate.resolve();
    expect((await answer).status).toBe(200);
    expect(before).toBeLessThan(streamedBytesMax / 2);
    expect(calls[0]?.bytesRead).toBe(streamedBytesMax);
  });

  test("beyond the limit are 413, whether their length is said or not, and the service sees no end", async () => {
    const big = Buffer.alloc(streamedBytesMax + 1);
    expect((await send("/bare-pieces", { method: "POST", body: big })).status).toBe(413);
    expect(calls).toEqual([]);
    const response = await send("/bare-pieces", { method: "POST", body: new Blob([big]).stream(), duplex: "half" });
    expect([response.status, calls[0]?.end]).toEqual([413, "failed"]);
  });

  test("that are compressed are 415", async () => {
    const response = await send("/bare-pieces", { method: "POST", body: photo, headers: { "content-encoding": "gzip" } });
    expect([response.status, response.headers.get("accept-encoding")]).toEqual([415, "identity"]);
  });

  test("of a caller who goes away are no whole", async () => {
    const socket = connect(edge.port, "127.0.0.1");
    socket.write("POST /bare-pieces HTTP/1.1\r\nHost: edge\r\nContent-Length: 100\r\n\r\nhalf");
    while (!calls[0]?.bytesRead) await pause(5);
    socket.destroy();
    while (calls[0].end === undefined) await pause(5);
    expect(calls[0].end).toBe("failed");
  });

  test("that the service does not want are answered at once, and the connection ends in good order", async () => {
    onMessage = ({ bytesRead }) => {
      if (bytesRead > 0) throw refuse(Code.InvalidArgument, "IMAGE_NOT_WANTED", "this is no image");
    };
    const response = await send("/bare-pieces", { method: "POST", body: Buffer.alloc(streamedBytesMax) });
    expect([response.status, (await errorOf(response)).message]).toEqual([400, "this is no image"]);
    onMessage = () => {};
    expect((await send("/bare-pieces", { method: "POST", body: photo })).status).toBe(200);
  });

  test("what is wrong with path or query is told before the call", async () => {
    const response = await send("/pieces/cat?name=dog", { method: "PUT", body: photo });
    expect([response.status, violatedFields(await errorOf(response)), calls]).toEqual([400, ["name"], []]);
  });
});

describe("a form", () => {
  const file = new File([photo], "cat.jpg", { type: "image/jpeg" });
  const formOf = (...entries: [string, string | File][]): FormData => {
    const form = new FormData();
    for (const [name, value] of entries) form.append(name, value);
    return form;
  };

  test.each([
    ["before", formOf(["note", "old"], ["file", file])],
    ["behind", formOf(["file", file], ["note", "old"])],
  ])("is its file, and fields %s it are like those of a query", async (_, body) => {
    expect((await send("/pieces/cat", { method: "PUT", body })).status).toBe(200);
    expect(bytesOf(calls[0]).equals(photo)).toBe(true);
    expect(calls[0]?.types).toEqual(new Set(["image/jpeg"]));
    expect(Object.assign({}, ...(calls[0]?.fields ?? []))).toEqual({ name: "cat", note: "old" });
  });

  test("may say all that a path would", async () => {
    expect((await send("/pieces", { method: "POST", body: formOf(["file", file], ["name", "cat"]) })).status).toBe(200);
    expect(calls[0]).toMatchObject({ fields: [{ name: "cat" }], end: "whole" });
  });

  test.each([
    ["a field that the path has, before the file", "/pieces/cat", formOf(["name", "dog"], ["file", file]), /^name: is set by/],
    ["one behind the file", "/pieces/cat", formOf(["file", file], ["name", "dog"]), /^name: is set by/],
    ["an unknown field", "/pieces/cat", formOf(["other", "x"], ["file", file]), /^other: unknown/],
    ["a field twice, around the file", "/pieces", formOf(["note", "a"], ["file", file], ["note", "b"]), /^note: is given twice/],
    ["a field that the query has", "/pieces/cat?note=a", formOf(["note", "b"], ["file", file]), /^note: is given twice/],
    ["the bytes as a field", "/pieces/cat", formOf(["content.data", "AA=="], ["file", file]), /set by the body/],
    ["two files", "/pieces/cat", formOf(["file", file], ["file", file]), /several files/],
    ["no file", "/pieces/cat", formOf(["note", "a"]), /has no file/],
    ["a long field", "/pieces/cat", formOf(["note", "a".repeat(9_000)], ["file", file]), /longer than 8192/],
    [
      "many fields",
      "/pieces",
      formOf(...Array.from({ length: 70 }, () => ["note", "a"] as [string, string]), ["file", file]),
      /more than 64/,
    ],
  ])("with %s is refused", async (_, target, body, message) => {
    const response = await send(target, { method: target === "/pieces" ? "POST" : "PUT", body });
    expect(response.status).toBe(400);
    expect((await errorOf(response)).message).toMatch(message);
    expect(calls.map(({ end }) => end)).not.toContain("whole");
  });

  const part = '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nbytes';
  test.each([
    ["names no boundary", "multipart/form-data", `${part}\r\n--b--\r\n`],
    ["has another boundary than it says", "multipart/form-data; boundary=c", `${part}\r\n--b--\r\n`],
    ["ends in its file", "multipart/form-data; boundary=b", part],
    ["ends in the head of its file", "multipart/form-data; boundary=b", part.slice(0, 40)],
    ["ends behind its file", "multipart/form-data; boundary=b", `${part}\r\n--b\r\n`],
    ["is empty", "multipart/form-data; boundary=b", "--b--\r\n"],
  ])("that %s is refused", async (_, type, body) => {
    const response = await send("/pieces/cat", { method: "PUT", body, headers: { "content-type": type } });
    expect([response.status, JSON.stringify(await errorOf(response))]).toEqual([400, expect.stringContaining("MALFORMED_BODY")]);
    expect(calls.map(({ end }) => end)).not.toContain("whole");
  });

  test("whose connection ends in the middle is no whole", async () => {
    const head =
      "PUT /pieces/cat HTTP/1.1\r\nHost: edge\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 900\r\n\r\n";
    const socket = connect(edge.port, "127.0.0.1");
    socket.write(head + part + "x".repeat(200));
    while (calls.length === 0) await pause(5);
    socket.destroy();
    while (calls[0]?.end === undefined) await pause(5);
    expect(calls[0].end).toBe("failed");
  });
});

describe("lines of JSON", () => {
  const lines = (body: string, target = "/lines/cat", type = "application/x-ndjson") =>
    send(target, { method: "POST", body, headers: { "content-type": type } });

  test("are a message each, and all have what the path says", async () => {
    expect((await lines('{"note": "a"}\n\n{"count": 2}\r\n{"name": "dog"}')).status).toBe(200);
    expect(calls[0]?.fields).toEqual([{ name: "cat", note: "a" }, { name: "cat", count: 2 }, { name: "cat" }]);
  });

  test("may be none", async () => {
    expect((await lines("")).status).toBe(200);
    expect(calls[0]).toMatchObject({ fields: [], end: "whole" });
  });

  test("across the packets in which they come", async () => {
    const notes = Array.from({ length: 4 }, (_, index) => "ä".repeat(20_000 + index));
    expect((await lines(notes.map((note) => `${JSON.stringify({ note })}\n`).join(""))).status).toBe(200);
    expect(calls[0]?.fields.map(({ note }) => note)).toEqual(notes);
  });

  test.each([
    ['{"note": "a"}\n{"note": 1}\n', 400, ["[1].note"]],
    ['{"note": "a"}\n{"other": 1}\n', 400, ["[1].other"]],
    ['{"note": "a"}\n{"note": ', 400, []],
    [`{"note": "${"a".repeat(50_000)}"}\n`, 413, []],
  ])("that are wrong are refused, with their number (%#)", async (body, status, fields) => {
    const response = await lines(body);
    expect([response.status, violatedFields(await errorOf(response))]).toEqual([status, fields]);
    expect(calls[0]?.end).toBe("failed");
  });

  test("say that they are such", async () => {
    expect((await lines("{}", "/lines/cat", "application/json")).status).toBe(415);
    expect(calls).toEqual([]);
  });
});

test("a caller who waits to be asked for the body is asked", async () => {
  const answer = await sendRaw(
    edge.port,
    "POST /bare-pieces HTTP/1.1\r\nHost: edge\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
  );
  expect(answer.text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
});
