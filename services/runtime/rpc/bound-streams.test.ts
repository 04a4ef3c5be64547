// One customer takes its own places for streams and nobody else's.
import { once } from "node:events";
import { Code, ConnectError, createClient, type ConnectRouter } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { serviceCaller } from "#runtime/access/caller.ts";
import type { Role } from "#runtime/access/claims.ts";
import type { VerifyToken } from "#runtime/access/verify-token.ts";
import { reasonOf } from "#runtime/errors.ts";
import { until } from "../../../test/support/until.ts";
import { serveTest, type TestServer } from "./testing.fixture.ts";

/** "role-name", of the client "shop". */
const verify: VerifyToken = (token) => {
  const [role, subject = ""] = token.split("-");
  const scopes = new Set(["orders:read"]);
  return Promise.resolve({ ...serviceCaller("demo"), subject, clientId: "shop", roles: [role as Role], scopes });
};
async function* watchOrder(_request: object, { signal }: { signal: AbortSignal }) {
  yield { sequence: 1n };
  await once(signal, "abort");
}
const routes = (router: ConnectRouter) => router.service(OrdersService, { watchOrder });

let server: TestServer;
beforeAll(async () => {
  server = await serveTest({ routes, verify, gate: { streams: { perCustomer: 3, perClient: 5 } } });
});
afterAll(() => server.close(0));

/** Opens a stream; answers how to end it, or why there is none. */
async function open(token: string): Promise<(() => void) | [Code, string | undefined]> {
  const client = createClient(OrdersService, createConnectTransport({ baseUrl: server.url, httpVersion: "2" }));
  const ending = new AbortController();
  const options = { signal: ending.signal, headers: { authorization: `Bearer ${token}` } };
  try {
    await client.watchOrder({ orderId: "ord_1" }, options)[Symbol.asyncIterator]().next();
    return () => ending.abort();
  } catch (error) {
    return [ConnectError.from(error).code, reasonOf(error)];
  }
}
async function openMany(token: string, count: number): Promise<(() => void)[]> {
  const opened = await Promise.all(Array.from({ length: count }, () => open(token)));
  const refused = opened.filter((each) => typeof each !== "function");
  for (const why of refused) expect(why).toEqual([Code.ResourceExhausted, "STREAMS_LIMITED"]);
  return opened.filter((each) => typeof each === "function");
}

test("a customer has so many, whatever others have, and one more when one has ended", async () => {
  const ada = await openMany("customer-ada", 5);
  expect(ada).toHaveLength(3);
  expect(await openMany("customer-eve", 5)).toHaveLength(3);
  ada[0]?.();
  await until(async () => (await openMany("customer-ada", 1)).length === 1);
  expect(await openMany("customer-ada", 2)).toHaveLength(0);
});

test("another client has more, and a service any number", async () => {
  expect(await openMany("operator-one", 7)).toHaveLength(5);
  expect(await openMany("service-orders", 9)).toHaveLength(9);
});
