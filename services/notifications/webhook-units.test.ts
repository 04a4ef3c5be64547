// Webhooks without a database: where they may go, how they are signed, when they are tried again and when an endpoint is given up.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { create } from "@bufbuild/protobuf";
import { OrderCancelledSchema, OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { afterCall, failuresMin, healthAfter } from "./domain/webhook.ts";
import { publicEventTypes, publicJson } from "./events/webhook-events.ts";
import { isPublicAddress, urlProblem } from "./provider/webhook-address.ts";
import { callWebhook, responseBytesMax, type Resolve } from "./provider/webhook-call.ts";
import { newSecret, webhookHeaders } from "./provider/webhook-sign.ts";
import { openSecret, sealSecret } from "./store/sealed-secret.ts";

describe("an address", () => {
  test.each([
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.127.255.255",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "240.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2002:7f00:1::",
    "2001::1",
    "2001:db8::1",
    "100::1",
    "localhost",
    "",
  ])("%s is not of the public Internet", (address) => expect(isPublicAddress(address)).toBe(false));

  test.each(["8.8.8.8", "93.184.216.34", "100.63.255.255", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1"])(
    "%s is",
    (address) => expect(isPublicAddress(address)).toBe(true),
  );
});

describe("the URL of an endpoint", () => {
  test.each([
    { url: "", reason: "URL_INVALID" },
    { url: "hooks", reason: "URL_INVALID" },
    { url: "ftp://example.com/", reason: "URL_INVALID" },
    { url: "file:///etc/passwd", reason: "URL_INVALID" },
    { url: "javascript:alert(1)", reason: "URL_INVALID" },
    { url: "https://user:hush@example.com/", reason: "URL_INVALID" },
    { url: "https://user@example.com/", reason: "URL_INVALID" },
    { url: `https://example.com/${"x".repeat(2_000)}`, reason: "URL_INVALID" },
    { url: "http://127.0.0.1/", reason: "ADDRESS_NOT_ALLOWED" },
    // The same in other words, as the WHATWG URL standard reads them.
    { url: "http://2130706433/", reason: "ADDRESS_NOT_ALLOWED" },
    { url: "http://0x7f.1/", reason: "ADDRESS_NOT_ALLOWED" },
    { url: "http://0177.0.0.1/", reason: "ADDRESS_NOT_ALLOWED" },
    { url: "http://127.1/", reason: "ADDRESS_NOT_ALLOWED" },
    { url: "http://[::1]/", reason: "ADDRESS_NOT_ALLOWED" },
    { url: "http://[::ffff:10.0.0.1]/", reason: "ADDRESS_NOT_ALLOWED" },
    { url: "http://169.254.169.254/latest/meta-data", reason: "ADDRESS_NOT_ALLOWED" },
    { url: "https://example.com:8443/hook?shop=1", reason: undefined },
    { url: "http://8.8.8.8/", reason: undefined },
  ])("$url: $reason", ({ url, reason }) => {
    const problem = urlProblem(url, { allowsPrivate: false });
    expect(problem?.reason).toBe(reason);
    expect(problem?.message ?? "").not.toContain("hush");
  });

  test("may be in our own network where the installation says so, and is an address all the same", () => {
    expect(urlProblem("http://127.0.0.1:9000/", { allowsPrivate: true })).toBeUndefined();
    expect(urlProblem("ftp://127.0.0.1/", { allowsPrivate: true })?.reason).toBe("URL_INVALID");
  });
});

describe("a call", () => {
  let server: Server;
  let port: number;
  let requests: string[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      requests.push(request.url ?? "");
      if (request.url === "/redirect") return response.writeHead(302, { location: "/elsewhere" }).end();
      if (request.url === "/long") return response.end("x".repeat(5_000_000));
      if (request.url === "/silent") return undefined;
      if (request.url === "/drip") return response.writeHead(200).write("begun");
      return response.writeHead(200).end("thanks\0");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ({ port } = server.address() as AddressInfo);
  });
  afterEach(() => void (requests = []));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const call = (path: string, settings: { allowsPrivate?: boolean; resolve?: Resolve; host?: string } = {}) => {
    const { allowsPrivate = true, host = "127.0.0.1", resolve } = settings;
    const given = { timeoutMs: 300, allowsPrivate, ...(resolve && { resolve }) };
    return callWebhook({ url: `http://${host}:${port}${path}`, headers: {}, body: "{}" }, given);
  };
  const answering =
    (...addresses: string[]): Resolve =>
    (_name, done) =>
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      );

  test("answers the status and the first bytes", async () => {
    expect(await call("/")).toMatchObject({ statusCode: 200, error: "", responseStart: "thanks" });
  });

  test("follows no redirect", async () => {
    expect(await call("/redirect")).toMatchObject({ statusCode: 302 });
    expect(requests).toEqual(["/redirect"]);
  });

  test("takes no more of an answer than its bound", async () => {
    expect((await call("/long")).responseStart).toBe("x".repeat(responseBytesMax));
  });

  test("ends in its time; a status that came counts", async () => {
    expect(await call("/silent")).toMatchObject({ statusCode: 0, error: "TIMED_OUT" });
    expect(await call("/drip")).toMatchObject({ statusCode: 200, responseStart: "begun" });
  });

  test("of a server that is not there says why", async () => {
    const { port: closed } = await new Promise<AddressInfo>((resolve) => {
      const other = createServer().listen(0, "127.0.0.1", () => {
        const address = other.address() as AddressInfo;
        other.close(() => resolve(address));
      });
    });
    const given = { timeoutMs: 300, allowsPrivate: true };
    expect(await callWebhook({ url: `http://127.0.0.1:${closed}/`, headers: {}, body: "" }, given)).toMatchObject({
      error: "ECONNREFUSED",
    });
  });

  test.each([
    { what: "an address of our own", settings: {} },
    { what: "a name of our own", settings: { host: "localhost" } },
    { what: "a name that means an address of our own", settings: { host: "shop.test", resolve: answering("127.0.0.1") } },
    { what: "a name that means one in IPv6", settings: { host: "shop.test", resolve: answering("::ffff:127.0.0.1") } },
    {
      what: "a name that means one of ours among others",
      settings: { host: "shop.test", resolve: answering("8.8.8.8", "127.0.0.1") },
    },
  ])("does not go to $what", async ({ settings }) => {
    expect(await call("/", { allowsPrivate: false, ...settings })).toMatchObject({ statusCode: 0, error: "ADDRESS_NOT_ALLOWED" });
    expect(requests).toEqual([]);
  });

  test("connects to the address that was looked at: a name is asked for once", async () => {
    let asked = 0;
    const rebinding: Resolve = (name, done) => answering((asked += 1) === 1 ? "127.0.0.1" : "127.0.0.2")(name, done);
    expect(await call("/", { host: "shop.test", resolve: rebinding })).toMatchObject({ statusCode: 200 });
    expect(asked).toBe(1);
  });
});

describe("a signature", () => {
  const event = { id: "evt_1", time: new Date(), body: '{"type":"x"}' };

  test("is that of the library, for each secret that holds", () => {
    const [secret, old, other] = [newSecret(), newSecret(), newSecret()];
    const headers = webhookHeaders(event, [secret, old]);
    expect(new Webhook(secret).verify(event.body, headers)).toEqual({ type: "x" });
    expect(new Webhook(old).verify(event.body, headers)).toEqual({ type: "x" });
    expect(() => new Webhook(other).verify(event.body, headers)).toThrow("No matching signature");
    expect(() => new Webhook(secret).verify(`${event.body} `, headers)).toThrow("No matching signature");
    expect(() => new Webhook(secret).verify(event.body, { ...headers, "webhook-id": "evt_2" })).toThrow("No matching signature");
    expect(headers["webhook-signature"]?.split(" ")).toHaveLength(2);
  });

  test("has a secret that is stored encrypted, for its endpoint alone", () => {
    const key = Buffer.alloc(32, 7);
    const sealed = sealSecret(key, "whe_1", "whsec_hush");
    expect(sealed.toString("latin1")).not.toContain("hush");
    expect(openSecret(key, "whe_1", sealed)).toBe("whsec_hush");
    expect(() => openSecret(key, "whe_2", sealed)).toThrow(/authenticate/);
    expect(() => openSecret(Buffer.alloc(32, 8), "whe_1", sealed)).toThrow(/authenticate/);
  });
});

test.each([
  { statusCode: 204, attempt: 1, want: { state: "DELIVERED" } },
  { statusCode: 302, attempt: 1, want: { state: "PENDING", againInMs: 800 } },
  { statusCode: 0, attempt: 2, want: { state: "PENDING", againInMs: 1_600 } },
  { statusCode: 500, attempt: 3, want: { state: "FAILED" } },
])("after $statusCode at attempt $attempt: $want", ({ want, statusCode, attempt }) => {
  expect(afterCall(statusCode, { attempt, retryMs: [1_000, 2_000], chance: 0 })).toEqual(want);
});

test("waits differ by two fifths at most", () => {
  const wait = (chance: number) => afterCall(500, { attempt: 1, retryMs: [1_000], chance }).againInMs;
  expect([wait(0), wait(0.5), wait(0.999)]).toEqual([800, 1_000, 1_200]);
});

describe("an endpoint", () => {
  const now = new Date("2026-03-10T00:00:00Z");
  const longAgo = new Date("2026-03-01T00:00:00Z");
  const disableAfterMs = 5 * 86_400_000;

  test.each([
    { health: { failures: 9, failingSince: longAgo }, codes: [200, 500], want: { failures: 0, failingSince: null } },
    { health: { failures: 0, failingSince: null }, codes: [500], want: { failures: 1, failingSince: now } },
    { health: { failures: 0, failingSince: null }, codes: [410], want: { failures: 1, failingSince: now, disable: "GONE" } },
    {
      health: { failures: failuresMin - 1, failingSince: longAgo },
      codes: [0],
      want: { failures: failuresMin, failingSince: longAgo, disable: "FAILING" },
    },
    { health: { failures: 1, failingSince: longAgo }, codes: [0], want: { failures: 2, failingSince: longAgo } },
    { health: { failures: 500, failingSince: now }, codes: [500], want: { failures: 501, failingSince: now } },
    { health: { failures: 3, failingSince: longAgo }, codes: [], want: { failures: 3, failingSince: longAgo } },
  ])("of $health after $codes is $want", ({ health, codes, want }) => {
    expect(healthAfter(health, codes, { now, disableAfterMs })).toEqual(want);
  });
});

describe("what is told", () => {
  const address = { recipient: "Ada", lines: ["1 Main St"], city: "Paris", countryCode: "FR" };

  test("is JSON by the contract, without who it is and where", () => {
    const order = {
      orderId: "ord_1",
      buyer: { customerId: "ada", paymentMethodBin: "424242", deviceFingerprint: "dev" },
      lines: [{ sku: "MUG", quantity: 2n }],
      shippingAddress: address,
    };
    const json = publicJson(OrderCreatedSchema, create(OrderCreatedSchema, order));
    expect(json).toEqual({ orderId: "ord_1", buyer: { customerId: "ada" }, lines: [{ sku: "MUG", quantity: "2" }] });
    expect(
      JSON.stringify(publicJson(OrderReadySchema, create(OrderReadySchema, { orderId: "ord_1", shippingAddress: address }))),
    ).not.toContain("Ada");
    expect(
      publicJson(
        OrderCancelledSchema,
        create(OrderCancelledSchema, { orderId: "ord_1", reason: "REQUESTED", detail: "Ada said" }),
      ),
    ).toEqual({ orderId: "ord_1", reason: "REQUESTED" });
  });

  test("is of the shop's business: nothing of tokens, audit logs or dead letters, and no order to take money", () => {
    expect(publicEventTypes).toContain("ordermesh.orders.events.v2.OrderCreated");
    expect(publicEventTypes).not.toContain("ordermesh.orders.events.v1.OrderCreated");
    expect(publicEventTypes.filter((type) => /identity|operations|auditlog|OrderPaymentDue/.test(type))).toEqual([]);
  });
});
