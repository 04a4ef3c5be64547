// What a handler hears of a caller that goes, and what a reset or a malformed request leaves behind.
import { once } from "node:events";
import * as http2 from "node:http2";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { bearer } from "../../../tools/bearer.ts";
import { until } from "../../../test/support/until.ts";
import { catalogRoutes, recordingLog, serveTest, type TestServer } from "./testing.fixture.ts";

const interceptors = [bearer("any-token")];
const { log, lines } = recordingLog();
let server: TestServer;
const signals = new Map<string, AbortSignal>();

beforeAll(async () => {
  const routes = catalogRoutes({
    getProduct: async ({ productId }, { signal }) => {
      signals.set(productId, signal);
      if (productId.startsWith("waiting")) await once(signal, "abort");
      return { product: { productId, title: "t".repeat(productId === "long" ? 200_000 : 1) } };
    },
  });
  server = await serveTest({ routes, log });
});
afterAll(() => server.close(0));

const transports: Record<string, () => Transport> = {
  Connect: () => createConnectTransport({ baseUrl: server.url, httpVersion: "2", interceptors }),
  gRPC: () => createGrpcTransport({ baseUrl: server.url, interceptors }),
};

describe.each(Object.entries(transports))("%s over HTTP/2", (name, transport) => {
  const client = () => createClient(CatalogService, transport());

  test("a handler whose caller goes hears of it, with a reason", async () => {
    const [productId, going] = [`waiting-${name}`, new AbortController()];
    const call = client().getProduct({ productId }, { signal: going.signal });
    await until(async () => signals.has(productId));
    const signal = signals.get(productId);
    expect(signal?.aborted).toBe(false);
    going.abort();
    await expect(call).rejects.toMatchObject({ code: Code.Canceled });
    await until(async () => signal?.aborted === true);
    expect(ConnectError.from(signal?.reason)).toMatchObject({ code: Code.Canceled });
  });

  test("an answer that is larger than a window of HTTP/2 arrives whole, many at once", async () => {
    const one = client();
    const answers = await Promise.all(Array.from({ length: 40 }, () => one.getProduct({ productId: "long" })));
    expect(answers.map(({ product }) => product?.title.length)).toEqual(answers.map(() => 200_000));
  });
});

/** Sends a call and answers its status; resets it at once where that is asked for. */
async function raw(headers: http2.OutgoingHttpHeaders, isReset = false): Promise<number | undefined> {
  const session = http2.connect(server.url);
  try {
    const path = `/${CatalogService.typeName}/GetProduct`;
    const given = { ":method": "POST", ":path": path, "content-type": "application/json", authorization: "Bearer any-token" };
    const stream = session.request({ ...given, ...headers });
    stream.on("error", () => {});
    if (isReset) {
      stream.close(http2.constants.NGHTTP2_CANCEL);
      return undefined;
    }
    stream.end(JSON.stringify({ productId: "prod_1" }));
    const [answer] = (await once(stream, "response")) as [http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader];
    stream.resume();
    return answer[":status"];
  } finally {
    session.close();
  }
}

test("an authority that is none is a bad request, and the server goes on", async () => {
  expect(await raw({ ":authority": "localhost:99999" })).toBe(400);
  expect(await raw({})).toBe(200);
});

test("calls that are reset before their body came leave no failure behind", async () => {
  lines.length = 0;
  await Promise.all(Array.from({ length: 20 }, () => raw({}, true)));
  expect(await raw({})).toBe(200);
  expect(lines.filter(({ msg }) => msg === "rpc_not_answered")).toEqual([]);
});
