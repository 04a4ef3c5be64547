// More callers than the mesh can serve: who is let in, what the others hear, and that nothing of it lasts.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import pg from "pg";
import { expect, test } from "vitest";
import { RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "#gen/grpc/health/v1/health_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { bearer } from "../../tools/bearer.ts";
import { OrderState, testMesh, type TestMesh } from "../support/mesh.ts";
import { failingNats } from "../support/nats.ts";
import { refusalError } from "../support/refusal.ts";
import { eventually, until } from "../support/until.ts";

const callsMax = 8;
const callersEach = 100;

/** An order, or what its caller was told instead. */
type Outcome =
  | { kind: "accepted"; orderId: string }
  | { kind: "refused"; code: number | string; reason: string | undefined; retryMs: number; retryAfter: string | null };

type Place = (customerId: string) => Promise<Outcome>;

const items = [{ sku: "MUG", quantity: 1n }];

function byRpc(transport: ReturnType<typeof createConnectTransport>): Place {
  const orders = createClient(OrdersService, transport);
  return async (customerId) => {
    try {
      const { order } = await orders.placeOrder({ customerId, currency: "EUR", paymentToken: "tok_success", items });
      return { kind: "accepted", orderId: order?.orderId ?? "" };
    } catch (caught) {
      const error = ConnectError.from(caught);
      return {
        kind: "refused",
        code: error.code,
        reason: reasonOf(error),
        retryMs: retryMsOf(error),
        retryAfter: error.metadata.get("retry-after"),
      };
    }
  };
}

function retryMsOf(error: ConnectError): number {
  const [retry] = error.findDetails(RetryInfoSchema);
  return Number(retry?.retryDelay?.seconds) * 1_000 + Number(retry?.retryDelay?.nanos) / 1e6;
}

function byRest(mesh: TestMesh): Place {
  return async (customerId) => {
    const basket = { customerId, currency: "EUR", paymentToken: "tok_success", items: [{ sku: "MUG", quantity: "1" }] };
    const answer = await mesh.fetch("/v1/orders", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(basket),
    });
    if (answer.status === 202) return { kind: "accepted", orderId: ((await answer.json()) as { orderId: string }).orderId };
    const { details } = (await answer.json()) as { details: { reason?: string; retryDelay?: string }[] };
    const retryDelay = details.find((detail) => detail.retryDelay)?.retryDelay ?? "";
    return {
      kind: "refused",
      code: `HTTP ${answer.status}`,
      reason: details.find((detail) => detail.reason)?.reason,
      retryMs: Number.parseFloat(retryDelay) * 1_000,
      retryAfter: answer.headers.get("retry-after"),
    };
  };
}

/** No order can be written until the returned function is called, so that those who were let in stay. */
async function holdOrders({ databaseUrl }: TestMesh): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query("begin; lock table orders.orders in exclusive mode");
  return async () => {
    await client.query("commit");
    await client.end();
  };
}

/** What is still to be published when the server dies waits from then on, and would have the next order refused. */
async function allPublished({ databaseUrl }: TestMesh): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ waiting: string }>(
      `select string_agg(format(
        'select 1 from %1$I.outbox, %1$I.relay_cursor as at where (outbox.xid, outbox.id) > (at.xid, at.id)', schemaname
      ), ' union all ') as waiting from pg_tables where tablename = 'relay_cursor'`,
    );
    await until(async () => (await client.query(rows[0]?.waiting ?? "")).rowCount === 0);
  } finally {
    await client.end();
  }
}

async function figure({ rpcUrl }: TestMesh, name: string): Promise<number> {
  const text = await (await fetch(`${rpcUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

test("beyond its limit the mesh refuses at once, by every protocol; who was let in has an order, and afterwards all is as before", async () => {
  const mesh = await testMesh({ ORDERMESH_CALLS_MAX: String(callsMax), ORDERMESH_CALL_TARGET_MS: "60000" });
  try {
    await mesh.product("MUG", { stock: 1_000 });
    const ways: Record<string, Place> = {
      connect: byRpc(createConnectTransport({ baseUrl: mesh.rpcUrl, httpVersion: "2", interceptors: [bearer(mesh.token)] })),
      grpc: byRpc(createGrpcTransport({ baseUrl: mesh.rpcUrl, interceptors: [bearer(mesh.token)] })),
      rest: byRest(mesh),
    };
    const release = await holdOrders(mesh);
    const outcomes: (Outcome & { way: string })[] = [];
    const calls = Object.entries(ways).flatMap(([way, place]) =>
      Array.from({ length: callersEach }, async (_, index) => {
        outcomes.push({ way, ...(await place(`${way}-${index}`)) });
      }),
    );
    // All refusals are there before the first order is.
    await until(() => outcomes.length === calls.length - callsMax);
    expect(outcomes.filter(({ kind }) => kind === "accepted")).toEqual([]);
    expect(await figure(mesh, "ordermesh_calls_limit")).toBe(callsMax);
    expect((await mesh.client(Health).check({})).status).toBe(Status.SERVING);
    expect((await fetch(`${mesh.edgeUrl}/readyz`)).status).toBe(200);
    await release();
    await Promise.all(calls);

    for (const outcome of outcomes) {
      if (outcome.kind === "accepted") continue;
      const code = outcome.way === "rest" ? "HTTP 429" : Code.ResourceExhausted;
      expect(outcome).toMatchObject({ code, reason: "OVERLOADED", retryAfter: String(Math.ceil(outcome.retryMs / 1_000)) });
      expect(outcome.retryMs).toBeGreaterThanOrEqual(500);
      expect(outcome.retryMs).toBeLessThanOrEqual(1_500);
    }
    const accepted = outcomes.filter((outcome) => outcome.kind === "accepted");
    expect(accepted).toHaveLength(callsMax);
    const { orderId } = await mesh.place({ customerId: "right-after" });
    for (const id of [orderId, ...accepted.map((order) => order.orderId)]) await mesh.reached(id, OrderState.DELIVERED);
    const { orders } = await mesh.orders.listOrders({ pageSize: 200 });
    expect(orders).toHaveLength(accepted.length + 1);
    await eventually(async () => expect(await figure(mesh, "ordermesh_calls_in_hand")).toBe(0));
    expect(await figure(mesh, "ordermesh_calls_refused_total")).toBe(calls.length - callsMax);
  } finally {
    await mesh.close();
  }
});

test("while events wait too long no order is taken on; everything else is answered, and what was accepted arrives", async () => {
  const nats = await failingNats();
  const mesh = await testMesh({ ORDERMESH_BACKLOG_MS_MAX: "300" }, nats);
  try {
    await mesh.product("MUG");
    await allPublished(mesh);
    await nats.pause();
    const { orderId } = await mesh.place({ customerId: "before" });
    const error = await until(() => refusalError(mesh.place({ customerId: "late" })));
    expect(error.code).toBe(Code.Unavailable);
    expect(reasonOf(error)).toBe("BACKLOG");
    expect(retryMsOf(error)).toBeGreaterThanOrEqual(1_000);
    expect(await byRest(mesh)("late")).toMatchObject({ kind: "refused", code: "HTTP 503", reason: "BACKLOG" });
    expect((await mesh.orders.getOrder({ orderId })).order?.state).toBe(OrderState.PENDING);
    await nats.resume();
    await mesh.reached(orderId, OrderState.DELIVERED);
    await eventually(() => mesh.place({ customerId: "after" }).then(() => {}));
  } finally {
    await mesh.close();
  }
});
