// Bodies that go on to their call while they come, slowly.
import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { create, type DescMethod, type Message } from "@bufbuild/protobuf";
import { Code, createRouterTransport } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { HttpBody } from "#gen/google/api/httpbody_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { compileContracts, serviceOf } from "./fixture/contracts.ts";
import { startTestEdge, type TestEdge } from "./fixture/edge.ts";

let edge: TestEdge;
/** What the service has heard, call by call. */
let calls: { bytesRead: number; isWhole: boolean }[];
let isWanted: boolean;

beforeAll(async () => {
  const service = serviceOf(await compileContracts(), "edge.fixture.v1.UploadService");
  const handlerOf = (method: DescMethod) => async (messages: AsyncIterable<Message>) => {
    const call = { bytesRead: 0, isWhole: false };
    calls.push(call);
    if (!isWanted) throw refuse(Code.InvalidArgument, "NOT_WANTED", "nothing is wanted");
    for await (const message of messages) call.bytesRead += (message as HttpBody).data.length;
    call.isWhole = true;
    return create(method.output, { route: method.name });
  };
  const transport = createRouterTransport((router) => {
    const handlers = Object.fromEntries(service.methods.map((method) => [method.localName, handlerOf(method)]));
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the answers fit the methods by the tests' care
    router.service(service, handlers as never);
  });
  edge = await startTestEdge([service], undefined, {
    transportFor: () => transport,
    limits: { uploadSilentMsMax: 700, uploadMsMax: 1_200 },
    httpLimits: { requestMs: 250 },
  });
});
beforeEach(() => {
  calls = [];
  isWanted = true;
});
afterAll(() => edge.close(1_000));

const headOf = (bytes: number, more = ""): string =>
  `POST /bare-pieces HTTP/1.1\r\nHost: edge\r\nContent-Length: ${bytes}\r\n${more}\r\n`;
const isLast = "Connection: close\r\n";

/** Sends the pieces, one every 50 ms, until there is an answer; reads until the server closes. */
async function drip(first: string, pieces: number): Promise<string> {
  const socket: Socket = connect(edge.port, "127.0.0.1");
  const heard: string[] = [];
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {}).on("data", (chunk) => heard.push(chunk.toString()));
  socket.write(first);
  for (let sent = 0; sent < pieces && heard.length === 0 && !socket.destroyed; sent += 1) {
    await pause(50);
    socket.write("ab");
  }
  await closed;
  return heard.join("");
}

test("may take longer than those that are read as a whole", async () => {
  expect(await drip(headOf(20, isLast), 10)).toMatch(/^HTTP\/1\.1 200 /);
  expect(calls).toEqual([{ bytesRead: 20, isWhole: true }]);
});

test("end in 408 where nothing more comes, and are no whole", async () => {
  expect(await drip(headOf(20, isLast), 1)).toMatch(/^HTTP\/1\.1 408 [^]*BODY_SILENT/);
  expect(calls).toEqual([{ bytesRead: 2, isWhole: false }]);
});

test("have the deadline of their call", async () => {
  expect(await drip(headOf(2_000, isLast), 60)).toMatch(/^HTTP\/1\.1 504 /);
  expect(calls).toMatchObject([{ isWhole: false }]);
});

test("have no more time than others before their call begins", async () => {
  const form = `Content-Type: multipart/form-data; boundary=b\r\n`;
  expect(await drip(`${headOf(2_000, form)}--b\r\nX-`, 60)).toMatch(/^HTTP\/1\.1 408 /);
  expect(calls).toEqual([]);
});

test("are no more waited for once they are answered", async () => {
  isWanted = false;
  const socket = connect(edge.port, "127.0.0.1");
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {}).resume();
  socket.write(headOf(2_000));
  const dripping = setInterval(() => socket.write("a"), 50);
  await closed;
  clearInterval(dripping);
  expect(calls).toHaveLength(1);
});
