// From where a call comes, as the audit log writes it down: through processes of the mesh, and where others lie.
import { createClient, createContextValues } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterEach, expect, test } from "vitest";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { askedFrom } from "#runtime/limits/asked-from.ts";
import { readTrustedProxies } from "#runtime/limits/client-address.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { createOriginOf } from "./call-origin.ts";
import { peerKey } from "./peer.ts";
import { testVouching } from "./limit-calls.fixture.ts";
import { catalogRoutes, serveTest } from "./testing.fixture.ts";

const ended: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});

interface Process {
  secret?: string;
  trusts?: string;
  /** Where it asks in turn. */
  next?: (productId: string) => Promise<string>;
}

/** A process whose answer says from where it, or the one that it asks, was called; and how to call it from another process. */
async function serve({ secret = "shared", trusts = "", next }: Process = {}) {
  const originOf = createOriginOf({
    trustsProxy: readTrustedProxies({ ORDERMESH_TRUSTED_PROXIES: trusts }),
    vouching: testVouching(secret),
  });
  const server = await serveTest({
    gate: { originOf },
    routes: catalogRoutes({
      getProduct: async ({ productId }) => ({
        product: { title: next ? await next(productId) : (currentRequest().call?.peer ?? "") },
      }),
    }),
  });
  ended.push(() => server.close(0));
  const plain = createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" });
  const ask = async (transport = plain, headers: HeadersInit = {}): Promise<string> =>
    (await createClient(CatalogService, transport).getProduct({ productId: "prod_1" }, { headers: { ...bearer, ...headers } }))
      .product?.title ?? "";
  return { ask, askAs: (given: string) => ask(testVouching(given).vouchOn(plain)) };
}

type HeadersInit = Record<string, string>;
const bearer = { authorization: "Bearer any" };

test("the address that the edge has seen is the one at the last of several processes", async () => {
  const last = await serve();
  const first = await serve({ next: () => last.askAs("shared") });
  expect(await askedFrom("192.0.2.7", () => first.askAs("shared"))).toBe("192.0.2.7");
});

test("whoever calls the first process by itself is the one at the last", async () => {
  const last = await serve();
  const first = await serve({ next: () => last.askAs("shared"), trusts: "127.0.0.1" });
  expect(await first.ask(undefined, { "x-forwarded-for": "192.0.2.8" })).toBe("192.0.2.8");
});

test("a process that works for itself is its connection, and so is one that has another secret", async () => {
  const { askAs } = await serve();
  expect(await askAs("shared")).toBe("127.0.0.1");
  expect(await askedFrom("192.0.2.7", () => askAs("another"))).toBe("127.0.0.1");
});

test("what a stranger writes is not believed", async () => {
  const { ask } = await serve();
  const lies = { "x-forwarded-for": "192.0.2.7", "x-ordermesh-asked-from": "mesh 192.0.2.7;1;x" };
  expect(await ask(undefined, lies)).toBe("127.0.0.1");
});

test("whoever comes over a connection is outside, whatever the certificate calls it", () => {
  const originOf = createOriginOf();
  const called = (peer: string) => originOf({ values: createContextValues().set(peerKey, peer), requestHeader: new Headers() });
  // What logs call a service of this process, and what no limit counts.
  expect(called("process").isCounted).toBe(false);
  expect(originOf({ values: createContextValues(), requestHeader: new Headers() }).isCounted).toBe(true);
});
