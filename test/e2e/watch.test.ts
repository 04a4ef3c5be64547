// 200 watchers by server-sent events, whose connections are cut again and again: each goes on by Last-Event-ID at one replica or the
// other, and has every change once and in order.
import { afterAll, beforeAll, expect, test } from "vitest";
import pg from "pg";
import { createLogger } from "#runtime/log.ts";
import { startMesh, type Mesh } from "../../services/mesh.ts";
import { clientTokens, throwAwayIdentity, withoutLimits } from "../../tools/operator.ts";
import { testMesh, type TestMesh } from "../support/mesh.ts";
import { eventually, until } from "../support/until.ts";

const customers = 20;
/** Of each customer; some follow all, and some a single order. */
const followersOfCustomer = 8;
const followersOfAll = 20;
const watchersOfOrders = 20;

let mesh: TestMesh;
let replica: Mesh | undefined;
let token: string;

beforeAll(async () => {
  mesh = await testMesh();
  await mesh.product("MUG", { stock: 10_000 });
  const env = {
    ...throwAwayIdentity,
    ...withoutLimits,
    DATABASE_URL: mesh.databaseUrl,
    NATS_URL: mesh.natsUrl,
    ORDERMESH_EDGE_PORT: "0",
    ORDERMESH_RPC_PORT: "0",
    ORDERMESH_SEED: "none",
    ORDERMESH_DATABASE_CONNECTIONS: "4",
    ORDERMESH_CALL_TARGET_MS: "30000",
    ORDERMESH_CARRIER_DISPATCH_MS: "100",
    ORDERMESH_CARRIER_DELIVER_MS: "100",
  };
  replica = await startMesh({ env, only: [], log: createLogger({ level: "silent" }), onProgress: () => {} });
  token = await clientTokens({ rpcUrl: mesh.rpcUrl })();
});

afterAll(async () => {
  await replica?.close();
  await mesh.close();
});

interface Watched {
  /** Order and sequence of each change seen. */
  changes: string[];
  cuts: number;
  began: Promise<void>;
  stop(): void;
}

/** Reads events and cuts the connection after a few, until it is stopped or the server says that this was all. */
function watch(path: string): Watched {
  const ending = new AbortController();
  const begun = Promise.withResolvers<void>();
  const watched: Watched = { changes: [], cuts: 0, began: begun.promise, stop: () => ending.abort() };
  let lastId = "";
  const once = async (readMax: number): Promise<"cut" | "end"> => {
    const edge = watched.cuts % 2 === 0 ? mesh.edgePort : replica?.edgePort;
    const cutting = new AbortController();
    const headers = {
      authorization: `Bearer ${token}`,
      accept: "text/event-stream",
      ...(lastId ? { "last-event-id": lastId } : {}),
    };
    const signal = AbortSignal.any([ending.signal, cutting.signal]);
    const answer = await fetch(`http://127.0.0.1:${edge}${path}`, { headers, signal });
    // Nothing is left after the last event.
    if (answer.status === 204) return "end";
    if (answer.status !== 200 || !answer.body) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    let text = "";
    let read = 0;
    for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
      text += part;
      const events = text.split("\n\n");
      text = events.pop() ?? "";
      for (const event of events) {
        if (event.includes("event: end")) return "end";
        const id = /^id: (.*)$/m.exec(event)?.[1];
        if (id === undefined) continue;
        lastId = id;
        begun.resolve();
        const { orderId, order, sequence, entry } = JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? "{}") as Record<string, never>;
        if (entry) watched.changes.push(`${orderId ?? order?.["orderId"]} ${sequence}`);
        read += 1;
        // What has come behind it is lost with the connection.
        if (read < readMax) continue;
        watched.cuts += 1;
        cutting.abort();
        return "cut";
      }
    }
    return "end";
  };
  void (async () => {
    for (let round = 0; (await once(1 + (round % 9))) === "cut"; round += 1);
  })().catch((error: unknown) => {
    if (!ending.signal.aborted) watched.changes.push(String(error));
  });
  return watched;
}

/** As the rows have it: whatever the watchers were told, this is what has happened. */
async function timeline(): Promise<{ customerId: string; orderId: string; change: string; state: string }[]> {
  const db = new pg.Client({ connectionString: mesh.databaseUrl });
  await db.connect();
  try {
    const { rows } = await db.query<{ customerId: string; orderId: string; change: string; state: string }>(
      `select customer_id as "customerId", order_id as "orderId", order_id || ' ' || sequence as change, order_timeline.state
       from orders.order_timeline join orders.orders using (tenant_id, order_id)
       order by xid, order_id collate "C", sequence`,
    );
    return rows;
  } finally {
    await db.end();
  }
}

test("nothing is lost and nothing comes twice", async () => {
  const names = Array.from({ length: customers }, (_, index) => `watched-${index}`);
  const all = Array.from({ length: followersOfAll }, () => watch("/v1/orders:watch"));
  const ofCustomers = names.flatMap((customerId) =>
    Array.from({ length: followersOfCustomer }, () => ({
      customerId,
      watched: watch(`/v1/orders:watch?customerId=${customerId}`),
    })),
  );
  await Promise.all([...all, ...ofCustomers.map(({ watched }) => watched)].map(({ began }) => began));
  const orderIds = await Promise.all(names.map(async (customerId) => (await mesh.place({ customerId })).orderId));
  const ofOrders = orderIds
    .slice(0, watchersOfOrders)
    .map((orderId) => ({ orderId, watched: watch(`/v1/orders/${orderId}:watch`) }));
  expect(all.length + ofCustomers.length + ofOrders.length).toBe(200);
  const whole = "pending, pending_shipment, shipped, delivered";
  const underWay = async (): Promise<string[]> => {
    const ways = Map.groupBy(await timeline(), ({ orderId }) => orderId).values();
    return [...ways].map((rows) => rows.map(({ state }) => state).join(", ")).filter((way) => way !== whole);
  };
  await eventually(async () => expect(await underWay()).toEqual([]), { timeoutMs: 60_000 });
  const told = await timeline();
  const enough = (watched: Watched, count: number): Promise<unknown> =>
    until(() => watched.changes.length >= count, { timeoutMs: 60_000 });
  await Promise.all([
    ...all.map((watched) => enough(watched, told.length)),
    ...ofCustomers.map(({ watched }) => enough(watched, 4)),
    ...ofOrders.map(({ watched }) => enough(watched, 4)),
  ]);
  for (const { changes } of all) expect(changes).toEqual(told.map(({ change }) => change));
  for (const { customerId, watched } of ofCustomers) {
    expect(watched.changes).toEqual(told.filter((row) => row.customerId === customerId).map(({ change }) => change));
  }
  for (const { orderId, watched } of ofOrders) {
    expect(watched.changes).toEqual(told.filter((row) => row.orderId === orderId).map(({ change }) => change));
  }
  const cuts = [...all, ...ofCustomers.map(({ watched }) => watched)].reduce((sum, watched) => sum + watched.cuts, 0);
  expect(cuts).toBeGreaterThan(200);
  for (const watched of [...all, ...ofCustomers.map((each) => each.watched), ...ofOrders.map((each) => each.watched)])
    watched.stop();
}, 180_000);
