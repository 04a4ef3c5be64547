// A stream ends with the token that has opened it, and goes on with a new one: in one process, and where the edge, orders and
// identity are apart.
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { newId } from "#runtime/ids.ts";
import { reasonOf } from "#runtime/errors.ts";
import { throwAwayIdentity } from "../../tools/operator.ts";
import { createTestDatabase } from "../support/database.ts";
import { testMesh } from "../support/mesh.ts";
import { testNats } from "../support/nats.ts";
import { freePorts } from "../support/ports.ts";
import { startMeshProcess } from "../support/process.ts";
import { until } from "../support/until.ts";
import { openForge, type Forge } from "./forge.ts";

/** A second is what is promised of a machine that has time; other tests may take all of this one's. */
const busyMachine = { retry: 2 };

interface World {
  edgeUrl: string;
  /** Where orders is called. */
  rpcUrl: string;
  forge: Forge;
  close(): Promise<void>;
}

/** Parcels are not dispatched meanwhile, so that an order is watched for as long as somebody likes. */
const slowCarrier = { ORDERMESH_CARRIER_DISPATCH_MS: "600000" };

async function together(): Promise<World> {
  const mesh = await testMesh(slowCarrier);
  return { ...mesh, forge: await openForge(mesh) };
}

async function apart(): Promise<World> {
  const [[restPort = 0, ordersPort = 0], database, nats] = await Promise.all([freePorts(2), createTestDatabase(), testNats()]);
  const others = ["identity", "catalog", "inventory", "payments", "fraud", "shipping"];
  const addresses = Object.fromEntries(
    [...others, "orders"].map((name) => [
      `ORDERMESH_${name.toUpperCase()}_URL`,
      `http://127.0.0.1:${name === "orders" ? ordersPort : restPort}`,
    ]),
  );
  const folder = join(tmpdir(), `ordermesh-streams-${randomBytes(6).toString("hex")}`);
  const edgeEnv = { ...addresses, ORDERMESH_DATA_DIR: folder, ORDERMESH_SEED: "none" };
  const env = { ...edgeEnv, ...slowCarrier, DATABASE_URL: database.url, NATS_URL: nats.url };
  const start = (only: string, port: number, given: Record<string, string>) =>
    startMeshProcess({ args: ["--only", only], env: { ...given, ORDERMESH_RPC_PORT: String(port) } });
  const processes = await Promise.all([
    start(others.join(","), restPort, { ...env, ORDERMESH_DATABASE_CONNECTIONS: "4" }),
    start("orders", ordersPort, env),
    start("edge", 0, edgeEnv),
  ]);
  const edgeUrl = processes[2].edgeUrl;
  return {
    edgeUrl,
    rpcUrl: processes[1].rpcUrl,
    forge: await openForge({ edgeUrl, databaseUrl: database.url }),
    close: async () => {
      await Promise.all(processes.map((each) => each.end("SIGKILL")));
      await nats.stop();
      await database.drop();
    },
  };
}

const rpcTransports: Record<string, (baseUrl: string) => Transport> = {
  Connect: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  gRPC: (baseUrl) => createGrpcTransport({ baseUrl }),
  "gRPC-Web": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
};

describe.each([
  ["in one process", together],
  ["in three processes", apart],
])("%s", (_name, start) => {
  let world: World;
  let operator: string;
  let orderId: string;

  const ask = async (path: string, token: string, body?: object): Promise<Record<string, unknown>> => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const init = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
    const answer = await fetch(`${world.edgeUrl}${path}`, init);
    if (!answer.ok) throw new Error(`${path} is answered with ${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  };
  const place = async (): Promise<string> => {
    const basket = { customerId: newId("cus"), currency: "EUR", paymentToken: "tok_success" };
    const placed = await ask("/v1/orders", operator, { ...basket, items: [{ sku: "MUG", quantity: "1" }] });
    return String(placed["orderId"]);
  };
  const readyOrder = async (): Promise<string> => {
    const placed = await place();
    await until(async () => (await ask(`/v1/orders/${placed}`, operator))["state"] === "ORDER_STATE_PENDING_SHIPMENT");
    return placed;
  };
  const revoke = async (token: string): Promise<void> => {
    const body = new URLSearchParams({
      token,
      client_id: "operator",
      client_secret: throwAwayIdentity.ORDERMESH_OPERATOR_SECRET,
    });
    expect((await fetch(`${world.edgeUrl}/oauth/revoke`, { method: "POST", body })).status).toBe(200);
  };
  /** Another token than any before. */
  const newToken = (exp = 600): Promise<string> =>
    world.forge.sign({ claims: { jti: newId("tok"), scope: "orders:read" }, times: { exp } });
  const watchEvents = async (token: string, lastEventId?: string) => {
    const resume = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
    const headers = { authorization: `Bearer ${token}`, accept: "text/event-stream", ...resume };
    const answer = await fetch(`${world.edgeUrl}/v1/orders/${orderId}:watch`, { headers });
    expect(answer.status).toBe(200);
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    return {
      /** Reads until the text has come, or to the end. */
      until: async (wanted?: string): Promise<string> => {
        for (;;) {
          if (wanted !== undefined && text.includes(wanted)) return text;
          const { value, done } = await reader.read();
          if (done) return text;
          text += value;
        }
      },
    };
  };
  const idsOf = (text: string): number[] => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));

  beforeAll(async () => {
    world = await start();
    operator = await world.forge.sign({ claims: { scope: "orders:read orders:write catalog:write inventory:read" } });
    const prices = [{ currencyCode: "EUR", minorUnits: "1000" }];
    await ask("/v1/products", operator, { title: "Mug", variants: [{ variant: { sku: "MUG", prices }, initialStock: "100" }] });
    await until(() => ask("/v1/stock/MUG", operator));
    orderId = await readyOrder();
  }, 90_000);
  afterAll(() => world?.close());

  test.each(Object.entries(rpcTransports))(
    "over %s it ends within a second of the revocation",
    async (_protocol, transportTo) => {
      const token = await newToken();
      const orders = createClient(OrdersService, transportTo(world.rpcUrl));
      const stream = orders.watchOrder({ orderId }, { headers: { authorization: `Bearer ${token}` } });
      let revokedMs = Number.NaN;
      const end = (async () => {
        for await (const _ of stream) {
          if (!Number.isNaN(revokedMs)) continue;
          revokedMs = 0;
          await revoke(token);
          revokedMs = performance.now();
        }
      })();
      const refusal: unknown = await end.then(
        () => "over",
        (error: unknown) => error,
      );
      expect(performance.now() - revokedMs).toBeLessThan(1_000);
      expect([ConnectError.from(refusal).code, reasonOf(refusal)]).toEqual([Code.Unauthenticated, "TOKEN_REVOKED"]);
    },
  );

  test.each(Object.entries(rpcTransports))("over %s it ends with its token's time", async (_protocol, transportTo) => {
    // Five seconds are allowed for clocks that differ.
    const headers = { authorization: `Bearer ${await newToken(-3)}` };
    const orders = createClient(OrdersService, transportTo(world.rpcUrl));
    const refusal: unknown = await Array.fromAsync(orders.watchOrder({ orderId }, { headers })).catch((error: unknown) => error);
    expect([ConnectError.from(refusal).code, reasonOf(refusal)]).toEqual([Code.Unauthenticated, "TOKEN_EXPIRED"]);
  });

  test("as server-sent events it ends with an event, and goes on with a new token where it was", busyMachine, async () => {
    orderId = await readyOrder();
    const token = await newToken();
    const watching = await watchEvents(token);
    const [lastId] = idsOf(await watching.until("PENDING_SHIPMENT")).slice(-1);
    await revoke(token);
    const revokedMs = performance.now();
    const text = await watching.until();
    expect(performance.now() - revokedMs).toBeLessThan(1_000);
    expect(text).toMatch(/\nevent: error\ndata: \{"code":16,[^\n]*"reason":"TOKEN_REVOKED"[^\n]*\}\n\n$/);
    expect(text).not.toContain("event: end");

    // What a browser's EventSource does by itself: the same again, which is refused and so is its last.
    const headers = { authorization: `Bearer ${token}`, accept: "text/event-stream", "last-event-id": String(lastId) };
    const again = await fetch(`${world.edgeUrl}/v1/orders/${orderId}:watch`, { headers });
    expect([again.status, again.headers.get("www-authenticate")]).toEqual([401, expect.stringContaining("invalid_token")]);
    expect(await again.text()).toContain("TOKEN_REVOKED");

    await ask(`/v1/orders/${orderId}:cancel`, operator, { reason: "changed my mind" });
    const resumed = await watchEvents(await newToken(), String(lastId));
    const rest = await resumed.until();
    expect(idsOf(rest)[0]).toBe(Number(lastId) + 1);
    expect(rest).toMatch(/CANCELLED[\s\S]*event: end/);
  });

  test("a ticket opens it once, where no header can be sent, and ends with the token that it was made with", async () => {
    const token = await newToken();
    const path = `/v1/orders/${await readyOrder()}:watch`;
    const ticket = String((await ask("/v1/stream-tickets", token, { path }))["ticket"]);
    const accept = { accept: "text/event-stream" };
    const open = (headers: Record<string, string> = accept, more = "") =>
      fetch(`${world.edgeUrl}${path}?stream_ticket=${ticket}${more}`, { headers });
    const both = await open({ ...accept, authorization: `Bearer ${token}` });
    expect([both.status, await both.text()]).toEqual([400, expect.stringContaining("send one of both")]);
    expect((await open(accept, `&stream_ticket=${ticket}`)).status).toBe(400);

    const watching = await open();
    expect([watching.status, watching.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    const again = await open();
    expect([again.status, await again.text()]).toEqual([401, expect.stringContaining("TICKET_UNKNOWN")]);
    await revoke(token);
    expect(await watching.text()).toContain("TOKEN_REVOKED");
  });

  test("a ticket opens nothing but a stream", async () => {
    const path = `/v1/orders/${orderId}`;
    const { ticket } = await ask("/v1/stream-tickets", await newToken(), { path });
    const answer = await fetch(`${world.edgeUrl}${path}?stream_ticket=${String(ticket)}`);
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("stream_ticket")]);
  });
});
