// What a client is told that asks too much, and that a call counts once: for whom it is, where it comes in.
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { ConnectError, Code, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "#gen/grpc/health/v1/health_pb.ts";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { parseItems, retryMsOf } from "#runtime/limits/limits.fixture.ts";
import { bearer } from "../../../tools/bearer.ts";
import { namesAsTokens, testCallLimits, threeEach } from "./limit-calls.fixture.ts";
import { recordingLog, serveTest } from "./testing.fixture.ts";

const ended: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).toReversed()) await end();
});

async function serve(env = threeEach) {
  const { limits, originOf, pass } = testCallLimits(env);
  const { log, lines } = recordingLog();
  const server = await serveTest({
    gate: { limits, originOf },
    log,
    verify: namesAsTokens,
    routes: (router) => {
      router.service(Health, { check: () => ({ status: Status.SERVING }) });
      router.service(CatalogService, { getProduct: ({ productId }) => ({ product: { productId } }) });
      router.service(OrdersService, {
        async *watchOrder() {
          yield {};
          yield {};
        },
      });
      router.service(IdentityService, {
        signIn: () => ({ accessToken: "token" }),
        registerAccount: () => ({ customerId: "ada" }),
        issueToken: () => ({ accessToken: "token" }),
      });
    },
  });
  ended.push(() => server.close(0));
  /** The status of one call over HTTP/1.1. */
  const post = async (method: string, body: object, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${server.url}/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  const statuses = async (times: number, call: () => Promise<Response>): Promise<number[]> => {
    const all: number[] = [];
    for (let time = 0; time < times; time += 1) all.push((await call()).status);
    return all;
  };
  const getProduct = (headers: Record<string, string> = {}) =>
    post("ordermesh.catalog.v1.CatalogService/GetProduct", { productId: "prod_1" }, headers);
  return { server, pass, post, getProduct, statuses, lines };
}

const as = (name: string) => ({ authorization: `Bearer ${name}` });

const transports: Record<string, (baseUrl: string) => Transport> = {
  "Connect JSON over HTTP/1.1": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false, interceptors: [bearer("ada")] }),
  "Connect binary over HTTP/2": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", interceptors: [bearer("ada")] }),
  "gRPC over HTTP/2": (baseUrl) => createGrpcTransport({ baseUrl, interceptors: [bearer("ada")] }),
  "gRPC-Web over HTTP/1.1": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1", interceptors: [bearer("ada")] }),
};

describe.each(Object.entries(transports))("%s", (_name, transport) => {
  test("answers say what is left, and one call too many when to come again; then there is an answer", async () => {
    const { server, pass } = await serve();
    const catalog = createClient(CatalogService, transport(server.url));
    let header = new Headers();
    const call = () => catalog.getProduct({ productId: "prod_1" }, { onHeader: (given) => (header = given) });
    for (const left of [2, 1, 0]) {
      await call();
      expect(parseItems(header.get("ratelimit-policy"))).toEqual([{ name: "customer", parameters: { q: 3, w: 1 } }]);
      expect(parseItems(header.get("ratelimit"))).toEqual([{ name: "customer", parameters: { r: left } }]);
    }
    header = new Headers();
    const error = await refusalOf(call());
    expect([Code[error.code], reasonOf(error), retryMsOf(error)]).toEqual(["ResourceExhausted", "RATE_LIMITED", 334]);
    const told = header.has("retry-after") ? header : error.metadata;
    expect(told.get("retry-after")).toBe("1");
    expect(parseItems(told.get("ratelimit"))).toEqual([{ name: "customer", parameters: { r: 0, t: 1 } }]);
    pass(334);
    await call();
  });

  test("a stream is one call", async () => {
    const { server } = await serve();
    const orders = createClient(OrdersService, transport(server.url));
    const watch = () => Array.fromAsync(orders.watchOrder({ orderId: "ord_1" }));
    for (const _ of [1, 2, 3]) expect(await watch()).toHaveLength(2);
    expect(reasonOf(await refusalOf(watch()))).toBe("RATE_LIMITED");
  });
});

const refusalOf = (call: Promise<unknown>): Promise<ConnectError> =>
  call.then(
    () => Promise.reject(new Error("the call was answered")),
    (error: unknown) => ConnectError.from(error),
  );

test("gRPC has the headers before the answer and not among its trailers, where the draft forbids them", async () => {
  const { server } = await serve();
  const session = connectHttp2(server.url);
  ended.push(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": "/ordermesh.catalog.v1.CatalogService/GetProduct",
    "content-type": "application/grpc+json",
    te: "trailers",
  });
  const body = Buffer.from('{"productId":"prod_1"}');
  stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body]));
  stream.resume();
  const [[headers], [trailers]] = await Promise.all([once(stream, "response"), once(stream, "trailers")]);
  expect([headers["ratelimit"], trailers["ratelimit"], trailers["grpc-status"]]).toEqual(['"anonymous";r=2', undefined, "0"]);
});

describe("a call counts", () => {
  test("for the customer who calls, and not for another", async () => {
    const { getProduct, statuses } = await serve();
    expect(await statuses(4, () => getProduct(as("ada")))).toEqual([200, 200, 200, 429]);
    expect(await statuses(4, () => getProduct(as("bob")))).toEqual([200, 200, 200, 429]);
    expect(await statuses(4, () => getProduct(as("operator")))).toEqual([200, 200, 200, 429]);
    expect(await statuses(4, () => getProduct())).toEqual([200, 200, 200, 429]);
  });

  test("also where it is then refused, and where its token is none: that is the address's", async () => {
    const { getProduct, post, statuses, lines } = await serve();
    const cancel = () => post("ordermesh.orders.v1.OrdersService/CancelOrder", { orderId: "ord_1" }, as("ada"));
    expect(await statuses(4, cancel)).toEqual([403, 403, 403, 429]);
    expect(await statuses(4, () => getProduct(as("nobody")))).toEqual([401, 401, 401, 429]);
    expect(await statuses(1, () => getProduct())).toEqual([429]);
    // A caller that asks too much does not fill the log.
    expect(lines.filter(({ msg, reason }) => msg === "rpc" && reason === "RATE_LIMITED")).toEqual([]);
  });

  test("for nobody where a service makes it, or where it asks for health", async () => {
    const { getProduct, post, statuses } = await serve();
    const always = [200, 200, 200, 200, 200];
    expect(await statuses(5, () => getProduct(as("service")))).toEqual(always);
    expect((await getProduct(as("service"))).headers.get("ratelimit")).toBeNull();
    expect(await statuses(5, () => post("grpc.health.v1.Health/Check", {}))).toEqual(always);
  });
});

describe("X-Forwarded-For", () => {
  const from = (addresses: string) => ({ "x-forwarded-for": addresses });

  test("is nothing where no proxy is trusted: who writes another address each time is still one", async () => {
    const { getProduct, statuses } = await serve();
    let each = 0;
    const forged = () => getProduct(from(`203.0.113.${(each += 1)}`));
    expect(await statuses(4, forged)).toEqual([200, 200, 200, 429]);
  });

  test("names the client where a trusted proxy says so, by the last hop that is none of ours", async () => {
    const { getProduct, statuses } = await serve({ ...threeEach, ORDERMESH_TRUSTED_PROXIES: "127.0.0.0/8,10.0.0.0/8" });
    let each = 0;
    // What the client has written itself stands before what the proxies add.
    const forged = () => getProduct(from(`1.1.1.${(each += 1)}, 203.0.113.9, 10.0.0.2`));
    expect(await statuses(4, forged)).toEqual([200, 200, 200, 429]);
    expect(await statuses(4, () => getProduct(from("203.0.113.10, 10.0.0.2")))).toEqual([200, 200, 200, 429]);
  });
});

describe("signing in", () => {
  const env = {
    ...threeEach,
    ORDERMESH_TRUSTED_PROXIES: "127.0.0.0/8",
    ORDERMESH_SIGN_INS_PER_MINUTE: "2",
    ORDERMESH_SIGN_INS_PER_MINUTE_OF_CLIENT: "5",
    ORDERMESH_TOKENS_PER_MINUTE: "1",
  };
  const identity = "ordermesh.identity.v1.IdentityService";
  const signIn = { clientId: "shop", login: "ada@example.com", password: "wrong-password" };

  test("is limited for an address, together with registering, and apart from all else", async () => {
    const { post, getProduct, statuses, pass } = await serve(env);
    expect(await statuses(1, () => post(`${identity}/SignIn`, signIn))).toEqual([200]);
    expect(await statuses(1, () => post(`${identity}/RegisterAccount`, signIn))).toEqual([200]);
    const refused = await post(`${identity}/SignIn`, signIn);
    expect([refused.status, refused.headers.get("retry-after"), refused.headers.get("ratelimit")]).toEqual([
      429,
      "30",
      '"sign_in";r=0;t=30',
    ]);
    expect(await statuses(1, () => post(`${identity}/RegisterAccount`, signIn, as("ada")))).toEqual([429]);
    const issue = { grantType: "client_credentials", clientId: "shop" };
    expect(await statuses(2, () => post(`${identity}/IssueToken`, issue))).toEqual([200, 429]);
    expect(await statuses(4, () => getProduct())).toEqual([200, 200, 200, 429]);
    pass(30_000);
    expect(await statuses(2, () => post(`${identity}/SignIn`, signIn))).toEqual([200, 429]);
  });

  test("is limited for a client, from however many addresses, and not for another", async () => {
    const { post, statuses } = await serve(env);
    let each = 0;
    const from = (clientId: string) => () =>
      post(`${identity}/SignIn`, { ...signIn, clientId }, { "x-forwarded-for": `203.0.113.${(each += 1)}` });
    const answer = await from("shop")();
    expect(parseItems(answer.headers.get("ratelimit"))).toEqual([
      { name: "sign_in", parameters: { r: 1 } },
      { name: "sign_in_client", parameters: { r: 4 } },
    ]);
    expect(await statuses(5, from("shop"))).toEqual([200, 200, 200, 200, 429]);
    expect((await from("shop")()).headers.get("ratelimit")).toBe('"sign_in";r=1, "sign_in_client";r=0;t=12');
    expect(await statuses(1, from("app"))).toEqual([200]);
  });
});
