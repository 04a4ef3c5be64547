import { once } from "node:events";
import { Code, ConnectError, createClient, type ConnectRouter } from "@connectrpc/connect";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { Health } from "#gen/grpc/health/v1/health_pb.ts";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { refuseBacklog } from "#runtime/backlog.ts";
import { reasonOf, refuse } from "#runtime/errors.ts";
import { currentRequest, runInContext, type RequestContext } from "#runtime/request-context.ts";
import { addressesFromEnvironment } from "./addresses.ts";
import { balancedTransport } from "./balanced-transport.ts";
import { callTimeoutMs } from "./caller-context.ts";
import { createClients, type Clients } from "./clients.ts";
import { connectReplica } from "./replica.ts";
import { catalogRoutes, serveTest, silentLog, testOptions, type Catalog, type TestServer } from "./testing.fixture.ts";

const ended: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).toReversed()) await end();
});

async function replica(catalog: Catalog, port = 0): Promise<TestServer> {
  const server = await serveTest({ routes: catalogRoutes(catalog), port });
  ended.push(() => server.close(0));
  return server;
}

/** Gives a token to whoever asks; what is shown to whom is tested with the mesh. */
const identity = await serveTest({
  routes: (router) => router.service(IdentityService, { issueToken: () => ({ accessToken: "own-token", expiresIn: 600 }) }),
});
afterAll(() => identity.close(0));

function remoteClient(...addresses: string[]) {
  return clientOf({ services: [], routes: () => {}, addresses });
}

function localClient(routes: (router: ConnectRouter) => void) {
  return clientOf({ services: [CatalogService], routes, addresses: [] });
}

function clientOf(given: { services: (typeof CatalogService)[]; routes: (router: ConnectRouter) => void; addresses: string[] }) {
  const local = { services: given.services, names: [], routes: given.routes, options: testOptions() };
  const clients: Clients = createClients({
    local,
    addresses: (name) => (name === "identity" ? [identity.url] : given.addresses),
    tenant: "demo",
    secretOf: (name) => `secret of ${name}`,
    log: silentLog,
  });
  ended.push(() => clients.close());
  return clients.of("orders").client(CatalogService);
}

const refusalOf = (call: Promise<unknown>): Promise<ConnectError> =>
  call.then(
    () => Promise.reject(new Error("the call was answered")),
    (error: unknown) => ConnectError.from(error),
  );

/** Counts calls and answers each with the server's name as the title. */
function named(title: string) {
  const counts = { calls: 0 };
  const catalog: Catalog = {
    getProduct: ({ productId }) => {
      counts.calls += 1;
      return { product: { productId, title } };
    },
  };
  return { catalog, counts };
}

const product = { productId: "prod_1" };
describe.each([
  { where: "co-located", connect: async (catalog: Catalog) => localClient(catalogRoutes(catalog)) },
  { where: "elsewhere", connect: async (catalog: Catalog) => remoteClient((await replica(catalog)).url) },
])("a service that is $where", ({ connect }) => {
  test("is called with the caller's request id and trace, and never has more time than the caller", async () => {
    const contexts: RequestContext[] = [];
    const millisecondsLeft: number[] = [];
    const client = await connect({
      getProduct: () => {
        contexts.push(currentRequest());
        millisecondsLeft.push(currentRequest().deadlineMs! - Date.now());
        return { product };
      },
    });
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const caller = { requestId: "req_caller", traceparent, tenant: "demo", deadlineMs: Date.now() + 700 };
    await runInContext(caller, () => client.getProduct(product));
    expect(contexts[0]).toMatchObject({ requestId: "req_caller", tenant: "demo" });
    expect(contexts[0]?.traceparent).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$/);
    await client.getProduct(product);
    expect(millisecondsLeft[0]).toBeLessThanOrEqual(700);
    expect(millisecondsLeft[1]).toBeLessThanOrEqual(callTimeoutMs);
    expect(millisecondsLeft[1]).toBeGreaterThan(callTimeoutMs / 2);
  });

  test("is not called where the caller has no time left", async () => {
    const { catalog, counts } = named("a");
    const client = await connect(catalog);
    const caller = { requestId: "req_late", traceparent: "", tenant: "demo", deadlineMs: Date.now() - 1 };
    const error = await refusalOf(runInContext(caller, () => client.getProduct(product)));
    expect(reasonOf(error)).toBe("DEADLINE_EXCEEDED");
    expect(counts.calls).toBe(0);
  });

  test("refuses in its own words", async () => {
    const client = await connect({
      getProduct: ({ productId }) => {
        throw refuse(Code.NotFound, "PRODUCT_NOT_FOUND", "no such product", { productId });
      },
    });
    const error = await refusalOf(client.getProduct(product));
    expect(error).toMatchObject({ code: Code.NotFound, rawMessage: "no such product" });
    expect(error.findDetails(ErrorInfoSchema)[0]).toMatchObject({ reason: "PRODUCT_NOT_FOUND", metadata: product });
  });

  test("checks requests against the contract", async () => {
    const error = await refusalOf((await connect({})).getProduct({ productId: "" }));
    expect(reasonOf(error)).toBe("INVALID_ARGUMENT");
  });

  test("hides its own mistakes", async () => {
    const client = await connect({
      getProduct: () => {
        throw new Error("secret of the database");
      },
    });
    const error = await refusalOf(client.getProduct(product));
    expect(reasonOf(error)).toBe("INTERNAL");
    expect(error.message).not.toContain("secret");
  });

  test("that does not answer ends at the deadline, and its handler hears of it", async () => {
    const aborted = Promise.withResolvers<void>();
    const client = await connect({
      getProduct: async (_request, { signal }) => {
        // On a busy machine the deadline may be over before the handler begins.
        if (!signal.aborted) await once(signal, "abort");
        aborted.resolve();
        return {};
      },
    });
    const error = await refusalOf(client.getProduct(product, { timeoutMs: 50 }));
    expect(error.code).toBe(Code.DeadlineExceeded);
    await aborted.promise;
  });
});

test.each([
  { where: "co-located", connect: async (catalog: Catalog) => localClient(catalogRoutes(catalog)), want: "acme" },
  { where: "elsewhere", connect: async (catalog: Catalog) => remoteClient((await replica(catalog)).url), want: "demo" },
])("the tenant of a caller is that of the call only in the same process: $where, $want", async ({ connect, want }) => {
  const client = await connect({ getProduct: () => ({ product: { title: currentRequest().tenant } }) });
  const caller = { requestId: "req_caller", traceparent: "", tenant: "acme" };
  expect(await runInContext(caller, () => client.getProduct(product))).toMatchObject({ product: { title: want } });
});

test("co-located services may call each other in a circle: routes are asked for at the first call", async () => {
  const parts: ((router: ConnectRouter) => void)[] = [];
  const client = localClient((router) => parts.forEach((routes) => routes(router)));
  parts.push(
    catalogRoutes({
      getProduct: () => ({ product }),
      listProducts: async () => ({ products: [(await client.getProduct(product)).product!] }),
    }),
  );
  expect(await client.listProducts({})).toMatchObject({ products: [product] });
});

test("calls go to the replicas in turn", async () => {
  const [a, b] = [named("a"), named("b")];
  const client = remoteClient((await replica(a.catalog)).url, (await replica(b.catalog)).url);
  for (let call = 0; call < 10; call += 1) await client.getProduct(product);
  expect([a.counts.calls, b.counts.calls]).toEqual([5, 5]);
});

test("when a replica stops, no safe call fails, and the stopped one is left alone until it is back", async () => {
  const [a, b] = [named("a"), named("b")];
  const [stopping, staying] = [await replica(a.catalog), await replica(b.catalog)];
  const client = remoteClient(stopping.url, staying.url);
  await client.getProduct(product);
  await stopping.close(0);
  for (let call = 0; call < 30; call += 1) expect(await client.getProduct(product)).toMatchObject({ product: { title: "b" } });

  await replica(a.catalog, stopping.port);
  const before = a.counts.calls;
  await vi.waitFor(
    async () => {
      await client.getProduct(product);
      expect(a.counts.calls).toBeGreaterThan(before);
    },
    { timeout: 5_000, interval: 20 },
  );
});

test("a refused call is not repeated", async () => {
  let calls = 0;
  const refusing = await replica({
    getProduct: () => {
      calls += 1;
      throw refuse(Code.NotFound, "PRODUCT_NOT_FOUND", "no such product");
    },
  });
  await refusalOf(remoteClient(refusing.url).getProduct(product));
  expect(calls).toBe(1);
});

test("a call whose contract does not call it safe is not repeated", async () => {
  let calls = 0;
  const check = () => {
    calls += 1;
    throw refuse(Code.Unavailable, "DEPENDENCY_UNAVAILABLE", "away");
  };
  const server = await serveTest({ routes: (router) => router.service(Health, { check }) });
  const only = connectReplica({ serviceName: "health", address: server.url, log: silentLog });
  ended.push(() => server.close(0), only.close);
  await refusalOf(createClient(Health, balancedTransport({ serviceName: "health", replicas: [only] })).check({}));
  expect(calls).toBe(1);
});

test("a replica that answers UNAVAILABLE is asked again, at most twice", async () => {
  let calls = 0;
  const flaky = await replica({
    getProduct: () => {
      calls += 1;
      if (calls < 3) throw refuse(Code.Unavailable, "DEPENDENCY_UNAVAILABLE", "away");
      return { product };
    },
  });
  expect(await remoteClient(flaky.url).getProduct(product)).toMatchObject({ product });
  expect(calls).toBe(3);
});

test("after five failures in a row calls are refused at once, with the time to wait", async () => {
  const gone = await replica({});
  await gone.close(0);
  const client = remoteClient(gone.url);
  for (let call = 0; call < 2; call += 1) await refusalOf(client.getProduct(product));
  const startedAt = performance.now();
  const error = await refusalOf(client.getProduct(product));
  expect(performance.now() - startedAt).toBeLessThan(20);
  expect(error.code).toBe(Code.Unavailable);
  expect(error.message).not.toMatch(/127\.0\.0\.1|ECONNREFUSED/);
  expect(error.findDetails(RetryInfoSchema)).toHaveLength(1);
});

test("refusals do not open the breaker", async () => {
  const refusing = await replica({
    getProduct: () => {
      throw refuse(Code.NotFound, "PRODUCT_NOT_FOUND", "no such product");
    },
  });
  const client = remoteClient(refusing.url);
  for (let call = 0; call < 20; call += 1) expect((await refusalOf(client.getProduct(product))).code).toBe(Code.NotFound);
});

test("a replica that has too much to do is neither asked again nor given up", async () => {
  let calls = 0;
  const behind = await replica({
    getProduct: () => {
      calls += 1;
      return refuseBacklog({ env: {}, backlogMs: () => 60_000 })() ?? {};
    },
  });
  const client = remoteClient(behind.url);
  for (let call = 0; call < 20; call += 1) expect(reasonOf(await refusalOf(client.getProduct(product)))).toBe("BACKLOG");
  expect(calls).toBe(20);
});

test("a replica that never answers opens its breaker, where its callers were patient", async () => {
  const port = await replica({ getProduct: () => new Promise(() => {}) });
  const client = remoteClient(port.url);
  const patient = await Promise.all(Array.from({ length: 5 }, () => refusalOf(client.getProduct(product, { timeoutMs: 1_200 }))));
  expect(patient.map(({ code }) => code)).toEqual(Array.from({ length: 5 }, () => Code.DeadlineExceeded));
  expect((await refusalOf(client.getProduct(product))).code).toBe(Code.Unavailable);
});

test("a service that is nowhere says which setting is missing", async () => {
  const error = await refusalOf(remoteClient().getProduct(product));
  expect(error.code).toBe(Code.Unavailable);
  expect(error.message).toContain("ORDERMESH_CATALOG_URL");
});

test.each([
  { text: undefined, want: [] },
  { text: "", want: [] },
  { text: "http://a:9090", want: ["http://a:9090"] },
  { text: " http://a:9090/ , https://b ,http://a:9090", want: ["http://a:9090", "https://b"] },
])("the addresses in $text are $want", ({ text, want }) => {
  expect(addressesFromEnvironment({ ORDERMESH_CATALOG_URL: text }, "catalog")).toEqual(want);
});

test.each(["a:9090", "http://a:9090,", "ftp://a", "http://a/path", "http://a?x=1", "http://user:secret@a", "http://a:99999"])(
  "%s is refused as an address, with the setting's name and no password",
  (text) => {
    const read = () => addressesFromEnvironment({ ORDERMESH_CATALOG_URL: text }, "catalog");
    expect(read).toThrow(StartupError);
    expect(read).toThrow("ORDERMESH_CATALOG_URL");
    expect(read).not.toThrow("secret");
  },
);
