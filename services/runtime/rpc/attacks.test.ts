// Callers of the RPC port who take more than they are to have: connections, headers, streams, frames. Each is cut, and meanwhile
// others are served.
import { once, type EventEmitter } from "node:events";
import * as http2 from "node:http2";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openTlsFiles } from "#runtime/tls/tls-files.ts";
import { certificateFolder } from "../../../test/support/certificates.ts";
import { until } from "../../../test/support/until.ts";
import { catalogRoutes, serveTest, silentLog, type TestServer } from "./testing.fixture.ts";

let server: TestServer;
const sockets: Socket[] = [];
const routes = catalogRoutes({
  getProduct: async ({ productId }) => {
    if (productId === "slow") await pause(300);
    return { product: { productId } };
  },
});
const path = "/ordermesh.catalog.v1.CatalogService/GetProduct";

async function serve(change: Partial<Parameters<typeof serveTest>[0]> = {}): Promise<void> {
  await server?.close(0);
  server = await serveTest({ routes, ...change });
}
beforeEach(() => serve());
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close(0);
});

const keep = <Kept extends Socket>(socket: Kept): Kept => {
  socket.on("error", () => {});
  sockets.push(socket);
  return socket;
};
const openOne = (): Socket => keep(connect(server.port, "127.0.0.1"));
const isOpen = (socket: Socket): boolean => !socket.destroyed && !socket.readableEnded;
/** True where the socket stays open for longer than it takes to be cut. */
async function isLetIn(socket: Socket): Promise<boolean> {
  socket.resume();
  await Promise.race([once(socket, "close"), pause(150)]);
  return isOpen(socket);
}
async function openMany(count: number): Promise<number> {
  const letIn = await Promise.all(Array.from({ length: count }, () => isLetIn(openOne())));
  return letIn.filter(Boolean).length;
}

/** Waits for one of the events; a connection that is cut may tell of it by an error. */
const oneOf = (emitter: EventEmitter, ...names: string[]): Promise<unknown> =>
  Promise.race(names.map((name) => once(emitter, name).catch(() => "cut")));

/** As any client does: one call over a connection of its own. */
async function isServed(): Promise<boolean> {
  const headers = { "content-type": "application/json", authorization: "Bearer any", connection: "close" };
  const answer = await fetch(`${server.url}${path}`, { method: "POST", headers, body: '{"productId": "prod_1"}' });
  return answer.ok && (await answer.text()).includes("prod_1");
}

describe("connections", () => {
  test("an address has so many, and one more when one has gone", async () => {
    await serve({ bounds: { connectionsMax: 100, connectionsPerAddressMax: 5 } });
    expect(await openMany(9)).toBe(5);
    sockets.find(isOpen)?.destroy();
    await until(async () => (await openMany(1)) === 1);
    expect(await openMany(1)).toBe(0);
  });

  test("all together have so many", async () => {
    await serve({ bounds: { connectionsMax: 4, connectionsPerAddressMax: 100 } });
    expect(await openMany(9)).toBe(4);
  });

  test("under TLS processes of the mesh get in, whatever strangers hold, and any number of them", async () => {
    const folder = await certificateFolder();
    const files = await openTlsFiles(await folder.write("server", await folder.issue({})), silentLog);
    await serve({ tls: files, bounds: { connectionsMax: 3, connectionsPerAddressMax: 3 } });
    const asProcess = async (name: string): Promise<string> => {
      const { certificate: cert, key } = await folder.issue({ name, dnsNames: [name] });
      const options = { ca: folder.authority.certificate, cert, key, ALPNProtocols: ["h2"], servername: "localhost" };
      const socket = keep(connectTls({ port: server.port, host: "127.0.0.1", ...options }));
      // The first frame comes from a server that has taken the connection.
      return Promise.race([once(socket, "data").then(() => "in"), once(socket, "close").then(() => "out")]);
    };
    // They never begin the handshake.
    Array.from({ length: 10 }, openOne);
    for (let each = 0; each < 6; each += 1) expect(await asProcess("orders.ordermesh")).toBe("in");
    // Whom the authority knows but the mesh does not: a customer's program, say.
    const strangers = [];
    for (let each = 0; each < 5; each += 1) strangers.push(await asProcess("program.example"));
    expect(strangers).toEqual(["in", "in", "in", "out", "out"]);
    expect(await asProcess("orders.ordermesh")).toBe("in");
    files.close();
    await folder.remove();
  });

  test("of HTTP/2 on which nothing is called are ended, and those with a call are not", async () => {
    await serve({ times: { idleMs: 200 } });
    const idle = http2.connect(server.url);
    const busy = http2.connect(server.url);
    const call = busy.request({
      ":path": path,
      ":method": "POST",
      "content-type": "application/json",
      authorization: "Bearer any",
    });
    await Promise.all([once(idle, "close"), pause(600)]);
    expect([idle.closed, busy.closed]).toEqual([true, false]);
    call.end('{"productId": "prod_1"}');
    const [headers] = (await once(call, "response")) as [http2.IncomingHttpHeaders];
    expect(headers[":status"]).toBe(200);
    busy.destroy();
  });
});

describe("a call that holds its place", () => {
  const call = { ":path": path, ":method": "POST", "content-type": "application/json", authorization: "Bearer any" };
  const closed = (stream: http2.ClientHttp2Stream): Promise<string> =>
    Promise.race([once(stream, "close").then(() => "cut"), once(stream, "error").then(() => "cut"), pause(2_000, "open")]);

  test("by a request that drips in over HTTP/2 is cut", async () => {
    await serve({ times: { bodyMs: 300 } });
    const session = http2.connect(server.url);
    const stream = session.request(call);
    const dripping = setInterval(() => stream.writable && stream.write(" "), 30);
    expect(await closed(stream)).toBe("cut");
    clearInterval(dripping);
    session.destroy();
  });

  test("by an answer that nobody takes over HTTP/2 is cut, and one that takes long to be made is not", async () => {
    await serve({ times: { stalledMs: 150 } });
    const session = http2.connect(server.url, { settings: { initialWindowSize: 0 } });
    const stream = session.request(call);
    stream.resume().end('{"productId": "prod_1"}');
    expect(await closed(stream)).toBe("cut");
    session.destroy();
    const patient = http2.connect(server.url);
    const slow = patient.request(call);
    slow.end('{"productId": "slow"}');
    const [headers] = (await once(slow, "response")) as [http2.IncomingHttpHeaders];
    expect(headers[":status"]).toBe(200);
    patient.destroy();
  });
});

describe("headers", () => {
  test("that are too long are refused over HTTP/1.1", async () => {
    const socket = openOne();
    socket.write(`POST ${path} HTTP/1.1\r\nhost: here\r\nx-long: ${"x".repeat(20_000)}\r\n\r\n`);
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 431 /);
  });

  test.each([
    ["too long", { "x-long": "x".repeat(60_000) }],
    ["too many", Object.fromEntries(Array.from({ length: 300 }, (_, each) => [`x-${each}`, "1"]))],
  ])("that are %s reach nobody over HTTP/2", async (_what, more) => {
    const session = http2.connect(server.url);
    session.on("error", () => {});
    await once(session, "remoteSettings");
    const call = session.request({ ":path": path, ":method": "POST", "content-type": "application/json", ...more });
    const [headers] = (await once(call, "response").catch(() => [])) as [http2.IncomingHttpHeaders?];
    expect([431, undefined]).toContain(headers?.[":status"]);
    session.destroy();
    expect(await isServed()).toBe(true);
  });
});

/** Frames of HTTP/2 by hand (RFC 9113, 4.1), as no client library sends them. */
function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}
const greeting = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0, Buffer.alloc(0))]);
const [endHeaders, headersType, resetType, continuationType, pingType, settingsType] = [4, 1, 3, 9, 6, 4];
/** ":method GET", ":scheme http", ":path /" and ":authority here" (RFC 7541, 6). */
const headerBlock = Buffer.concat([Buffer.from([0x82, 0x86, 0x84, 0x41, 4]), Buffer.from("here")]);

/** The first byte of the first HEADERS frame among the bytes. */
function firstHeaderOf(bytes: Buffer): number | undefined {
  for (let rest = bytes; rest.length > 9; rest = rest.subarray(9 + rest.readUIntBE(0, 3))) {
    if (rest[3] === headersType) return rest[9];
  }
  return undefined;
}

/** Writes what is made until the server has had enough; answers how much that was. */
async function flood(make: (index: number) => Buffer, most: number): Promise<number> {
  const socket = openOne();
  socket.resume();
  await once(socket, "connect");
  socket.write(greeting);
  for (let index = 0; index < most; index += 1) {
    if (!isOpen(socket)) return index;
    if (!socket.write(make(index))) await oneOf(socket, "drain", "close");
    if (index % 100 === 99) await pause(1);
  }
  await Promise.race([oneOf(socket, "close"), pause(2_000)]);
  return isOpen(socket) ? Number.POSITIVE_INFINITY : most;
}

describe("HTTP/2", () => {
  test("two tokens in one request are refused, as no one knows which a proxy has looked at", async () => {
    const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
    /** By the static table (RFC 7541, A): POST, http, the path, the host, the type of the content, and then the tokens. */
    const asking = (...tokens: string[]): Buffer => {
      const start = [Buffer.from([0x83, 0x86, 0x04]), text(path), Buffer.from([0x41]), text("here")];
      const type = [Buffer.from([0x0f, 0x10]), text("application/json")];
      const shown = tokens.flatMap((token) => [Buffer.from([0x0f, 0x08]), text(`Bearer ${token}`)]);
      return Buffer.concat([...start, ...type, ...shown]);
    };
    const statusOf = async (...tokens: string[]): Promise<number | undefined> => {
      const socket = openOne();
      let answer = Buffer.alloc(0);
      socket.on("data", (chunk: Buffer) => (answer = Buffer.concat([answer, chunk])));
      const body = frame(0, 1, 1, Buffer.from('{"productId": "prod_1"}'));
      socket.write(Buffer.concat([greeting, frame(headersType, endHeaders, 1, asking(...tokens)), body]));
      // The first header of an answer is its status, by the same table: 0x88 is 200 and 0x8c is 400.
      await until(() => firstHeaderOf(answer) !== undefined || !isOpen(socket));
      return firstHeaderOf(answer);
    };
    expect(await statusOf("one")).toBe(0x88);
    expect(await statusOf("one", "other")).toBe(0x8c);
  });

  test("has a bound on calls at once, and refuses those above it", async () => {
    const session = http2.connect(server.url);
    const [settings] = (await once(session, "remoteSettings")) as [http2.Settings];
    expect(settings.maxConcurrentStreams).toBe(1_000);
    session.destroy();
    // Whoever does not keep to it: headers only, so that all wait for their bodies.
    const socket = openOne();
    let text = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => (text = Buffer.concat([text, chunk])));
    socket.write(greeting);
    for (let index = 0; index < 1_100; index += 1) socket.write(frame(headersType, endHeaders, 2 * index + 1, headerBlock));
    const refused = frame(resetType, 0, 2 * 1_050 + 1, Buffer.from([0, 0, 0, 7]));
    await until(() => text.includes(refused) || !isOpen(socket));
    expect(await isServed()).toBe(true);
  });

  test("calls that are begun and taken back without end cut their connection (CVE-2023-44487)", async () => {
    const cancel = Buffer.from([0, 0, 0, 8]);
    const callAndCancel = (index: number): Buffer => {
      const stream = 2 * index + 1;
      return Buffer.concat([frame(headersType, endHeaders, stream, headerBlock), frame(resetType, 0, stream, cancel)]);
    };
    const taken = await flood(callAndCancel, 20_000);
    expect(taken).toBeLessThan(20_000);
    // A client that gives up on many calls at once is none of those.
    expect(taken).toBeGreaterThan(3_900);
    expect(await isServed()).toBe(true);
  });

  test("headers that go on without end cut their connection (CVE-2024-27983)", async () => {
    // A header that is new each time, and is never said to be the last.
    const more = Buffer.concat([Buffer.from([0x00, 1]), Buffer.from("x"), Buffer.from([100]), Buffer.alloc(100, "y")]);
    const next = (index: number): Buffer =>
      index === 0 ? frame(headersType, 0, 1, headerBlock) : frame(continuationType, 0, 1, more);
    const patient = openOne();
    patient.write(Buffer.concat([greeting, next(0), next(1), frame(continuationType, endHeaders, 1, more)]));
    expect(await isLetIn(patient)).toBe(true);
    expect(await flood(next, 20_000)).toBeLessThan(20_000);
    expect(await isServed()).toBe(true);
  });

  test.each([
    ["pings (CVE-2019-9512)", () => frame(pingType, 0, 0, Buffer.alloc(8))],
    ["settings (CVE-2019-9515)", () => frame(settingsType, 0, 0, Buffer.alloc(0))],
  ])("%s whose answers nobody reads cut their connection", async (_what, make) => {
    const socket = openOne();
    socket.pause();
    await once(socket, "connect");
    socket.write(greeting);
    const many = Buffer.concat(Array.from({ length: 1_000 }, make));
    for (let round = 0; round < 2_000 && isOpen(socket); round += 1) {
      if (!socket.write(many)) await Promise.race([oneOf(socket, "drain", "close"), pause(1_000)]);
    }
    expect(isOpen(socket)).toBe(false);
    expect(await isServed()).toBe(true);
  });
});
