// A REST request counts once, for its caller, wherever the services run that answer it.
import type { ConnectRouter } from "@connectrpc/connect";
import { afterEach, describe, expect, test } from "vitest";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { readTrustedProxies } from "#runtime/limits/client-address.ts";
import { parseItems } from "#runtime/limits/limits.fixture.ts";
import { createClients, type ServiceClients } from "#runtime/rpc/clients.ts";
import { namesAsTokens, testCallLimits, testVouching, threeEach } from "#runtime/rpc/limit-calls.fixture.ts";
import { serveTest, silentLog, testOptions } from "#runtime/rpc/testing.fixture.ts";
import { startEdge } from "./main.ts";
import { detailOf, errorOf } from "./transcode/fixture/edge.ts";

const ended: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).toReversed()) await end();
});

const services = [CatalogService, OrdersService, IdentityService];

/** Orders asks the catalogue before it answers, as a service does. */
const routesWith = (clients: () => ServiceClients) => ({
  catalog: (router: ConnectRouter) =>
    router.service(CatalogService, { getProduct: ({ productId }) => ({ product: { productId } }) }),
  orders: (router: ConnectRouter) =>
    router.service(OrdersService, {
      getOrder: async ({ orderId }) => {
        await clients().client(CatalogService).getProduct({ productId: "prod_1" });
        return { order: { orderId } };
      },
      async *watchOrder() {
        yield {};
      },
    }),
  identity: (router: ConnectRouter) => router.service(IdentityService, { signIn: () => ({ accessToken: "token" }) }),
});

type Where = "in the edge's process" | "in another process" | "in two other processes";

/** An edge, and services that all have the same limits, as replicas that know of each other do. */
async function start(where: Where, env = threeEach, edgeSecret = "shared") {
  const { limits, originOf, pass } = testCallLimits(env);
  const options = testOptions(silentLog, namesAsTokens, { limits, originOf });
  const connect = (given: {
    here: typeof services;
    routes: (router: ConnectRouter) => void;
    elsewhere: Record<string, string>;
    secret?: string;
  }) => {
    const clients = createClients({
      local: { services: given.here, names: [], routes: given.routes, options },
      addresses: (name) => (given.elsewhere[name] === undefined ? [] : [given.elsewhere[name]]),
      tenant: "demo",
      secretOf: (name) => `secret of ${name}`,
      vouching: testVouching(given.secret),
      log: silentLog,
    });
    ended.push(() => clients.close());
    return clients;
  };
  const serve = async (routes: (router: ConnectRouter) => void): Promise<string> => {
    const server = await serveTest({ routes, gate: { limits, originOf }, verify: namesAsTokens });
    ended.push(() => server.close(0));
    return server.url;
  };
  const all = routesWith(() => orders.of("orders"));
  const together = (router: ConnectRouter): void => void [all.catalog, all.orders, all.identity].map((add) => add(router));
  const catalog = where === "in two other processes" ? await serve(all.catalog) : undefined;
  const orders = catalog
    ? connect({ here: [OrdersService, IdentityService], routes: all.orders, elsewhere: { catalog } })
    : connect({ here: services, routes: together, elsewhere: {} });
  const other = where === "in the edge's process" ? undefined : await serve(together);
  const clients = other
    ? connect({
        here: [],
        routes: () => {},
        elsewhere: { catalog: catalog ?? other, orders: other, identity: other },
        secret: edgeSecret,
      })
    : orders;
  const edge = await startEdge({
    services,
    transportFor: clients.transportFor,
    trustsProxy: readTrustedProxies(env),
    port: 0,
    host: "127.0.0.1",
    log: silentLog,
  });
  ended.push(() => edge.close(0));
  const ask = (path: string, headers: Record<string, string> = {}, body?: object): Promise<Response> =>
    fetch(`http://127.0.0.1:${edge.port}${path}`, {
      ...(body ? { method: "POST", body: JSON.stringify(body) } : {}),
      headers: { "content-type": "application/json", ...headers },
    });
  const statuses = async (times: number, call: () => Promise<Response>): Promise<number[]> => {
    const found: number[] = [];
    for (let time = 0; time < times; time += 1) {
      const response = await call();
      await response.text();
      found.push(response.status);
    }
    return found;
  };
  return { ask, statuses, pass };
}

const as = (name: string) => ({ authorization: `Bearer ${name}` });
const places: Where[] = ["in the edge's process", "in another process", "in two other processes"];

describe.each(places)("services %s", (where) => {
  test("a request counts once, also where the service that answers it asks another; headers and refusal are those of REST", async () => {
    const { ask, statuses, pass } = await start(where);
    const first = await ask("/v1/orders/ord_1", as("ada"));
    expect(first.status).toBe(200);
    expect(parseItems(first.headers.get("ratelimit-policy"))).toEqual([{ name: "customer", parameters: { q: 3, w: 1 } }]);
    expect(parseItems(first.headers.get("ratelimit"))).toEqual([{ name: "customer", parameters: { r: 2 } }]);
    expect(await statuses(2, () => ask("/v1/orders/ord_1", as("ada")))).toEqual([200, 200]);
    const refused = await ask("/v1/orders/ord_1", as("ada"));
    expect([refused.status, refused.headers.get("retry-after"), refused.headers.get("ratelimit")]).toEqual([
      429,
      "1",
      '"customer";r=0;t=1',
    ]);
    const body = await errorOf(refused);
    expect(body.code).toBe(8);
    expect(detailOf(body, "ErrorInfo")).toMatchObject({ reason: "RATE_LIMITED", metadata: { policy: "customer" } });
    expect(detailOf(body, "RetryInfo")).toMatchObject({ retryDelay: "0.334s" });
    pass(334);
    expect(await statuses(2, () => ask("/v1/orders/ord_1", as("ada")))).toEqual([200, 429]);
  });

  test("a stream counts once, says what is left, and is refused like any request", async () => {
    const { ask, statuses } = await start(where);
    const watch = () => ask("/v1/orders/ord_1:watch", { ...as("ada"), accept: "text/event-stream" });
    const first = await watch();
    expect([first.status, first.headers.get("ratelimit")]).toEqual([200, '"customer";r=2']);
    await first.text();
    expect(await statuses(3, watch)).toEqual([200, 200, 429]);
    expect((await watch()).headers.get("ratelimit")).toBe('"customer";r=0;t=1');
  });

  test("without a token it counts for the browser's address, which only a trusted proxy can say", async () => {
    const forged = await start(where);
    let each = 0;
    const another = () => forged.ask("/v1/products/prod_1", { "x-forwarded-for": `203.0.113.${(each += 1)}` });
    expect(await forged.statuses(4, another)).toEqual([200, 200, 200, 429]);

    const behind = await start(where, { ...threeEach, ORDERMESH_TRUSTED_PROXIES: "127.0.0.1" });
    const from = (address: string) => () => behind.ask("/v1/products/prod_1", { "x-forwarded-for": `1.1.1.1, ${address}` });
    expect(await behind.statuses(4, from("203.0.113.1"))).toEqual([200, 200, 200, 429]);
    expect(await behind.statuses(4, from("203.0.113.2"))).toEqual([200, 200, 200, 429]);
  });

  test("nobody gets past it by a header of ours", async () => {
    const { ask, statuses } = await start(where);
    const lying = { ...as("ada"), "x-ordermesh-asked-from": "mesh" };
    expect(await statuses(4, () => ask("/v1/orders/ord_1", lying))).toEqual([200, 200, 200, 429]);
  });

  test("signing in has its own limit", async () => {
    const { ask, statuses } = await start(where, { ...threeEach, ORDERMESH_SIGN_INS_PER_MINUTE: "2" });
    const signIn = () => ask("/v1/auth:signIn", {}, { clientId: "shop", login: "ada", password: "wrong" });
    expect((await signIn()).headers.get("ratelimit")).toBe('"sign_in";r=1, "sign_in_client";r=599');
    expect(await statuses(2, signIn)).toEqual([200, 429]);
    expect(await statuses(4, () => ask("/v1/products/prod_1"))).toEqual([200, 200, 200, 429]);
  });
});

test("an edge without the shared secret is an address like any other: too little for its clients, and nothing for free", async () => {
  const { ask, statuses } = await start("in another process", threeEach, "another");
  expect(await statuses(4, () => ask("/v1/products/prod_1"))).toEqual([200, 200, 200, 429]);
  expect(await statuses(4, () => ask("/v1/orders/ord_1", as("ada")))).toEqual([200, 200, 200, 429]);
});
