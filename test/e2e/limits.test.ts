// The limits as a mesh has them: replicas of a service and an edge, each as a process would run it, on one NATS.
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLogger } from "#runtime/log.ts";
import { parseItems } from "#runtime/limits/limits.fixture.ts";
import { throwAwayIdentity, withoutLimits } from "../../tools/operator.ts";
import { startMesh, type Mesh } from "../../services/mesh.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";

const perSecond = 1;
const burst = 30;

let database: TestDatabase;
let nats: TestNats;
let replicas: Mesh[] = [];
let edge: Mesh;

const start = (only: string[], env: Record<string, string>): Promise<Mesh> =>
  startMesh({
    env: {
      DATABASE_URL: database.url,
      NATS_URL: nats.url,
      ...throwAwayIdentity,
      ...withoutLimits,
      ORDERMESH_RATE_ANONYMOUS: String(perSecond),
      ORDERMESH_RATE_BURST_SECONDS: String(burst),
      ORDERMESH_EDGE_PORT: "0",
      ORDERMESH_RPC_PORT: "0",
      ORDERMESH_SEED: "none",
      ORDERMESH_CALL_TARGET_MS: "30000",
      ...env,
    },
    only,
    log: createLogger({ level: "silent" }),
    onProgress: () => {},
  });

beforeAll(async () => {
  [database, nats] = await Promise.all([createTestDatabase(), testNats()]);
  replicas = [await start(["catalog"], {}), await start(["catalog"], {})];
  const urls = replicas.map(({ rpcPort }) => `http://127.0.0.1:${rpcPort}`).join(",");
  edge = await start(["edge"], { ORDERMESH_CATALOG_URL: urls, ORDERMESH_TRUSTED_PROXIES: "127.0.0.1" });
});

afterAll(async () => {
  for (const mesh of [edge, ...replicas]) await mesh?.close();
  await database?.drop();
  await nats?.stop();
});

/** How many of the requests are not refused, and how many seconds they took. */
async function letThrough(
  requests: number,
  ask: (each: number) => Promise<Response>,
): Promise<{ count: number; seconds: number }> {
  const beganMs = performance.now();
  let count = 0;
  for (let each = 0; each < requests; each += 1) {
    const response = await ask(each);
    await response.text();
    if (response.status !== 429) count += 1;
  }
  return { count, seconds: (performance.now() - beganMs) / 1_000 };
}

/** One bucket and what comes in the time; what two replicas do not know of each other comes on top. */
function expectOneBucket({ count, seconds }: { count: number; seconds: number }): void {
  expect(count).toBeGreaterThanOrEqual(burst);
  expect(count).toBeLessThanOrEqual(burst + Math.ceil(seconds * perSecond) + burst / 16 + 3);
}

test("whoever asks at two replicas in turn gets one bucket's worth", async () => {
  const ask = (each: number) =>
    fetch(`http://127.0.0.1:${replicas[each % 2]!.rpcPort}/ordermesh.catalog.v1.CatalogService/GetProduct`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"productId":"prod_01h455vb4pex5vsknk084sn02q"}',
    });
  expectOneBucket(await letThrough(3 * burst, ask));
});

test("at the edge, each client behind a trusted proxy gets one, and reads how much is left", async () => {
  const ask = (client: string) => () =>
    fetch(`http://127.0.0.1:${edge.edgePort}/v1/products?pageSize=1`, { headers: { "x-forwarded-for": `1.1.1.1, ${client}` } });
  const first = await ask("203.0.113.1")();
  expect(first.status).toBe(200);
  expect(parseItems(first.headers.get("ratelimit-policy"))).toEqual([{ name: "anonymous", parameters: { q: burst, w: burst } }]);
  expect(parseItems(first.headers.get("ratelimit"))).toEqual([{ name: "anonymous", parameters: { r: burst - 1 } }]);
  expectOneBucket(await letThrough(3 * burst, ask("203.0.113.2")));
  expectOneBucket(await letThrough(3 * burst, ask("203.0.113.3")));
  const refused = await ask("203.0.113.3")();
  expect([refused.status, Number(refused.headers.get("retry-after")) >= 1]).toEqual([429, true]);
  const metrics = await Promise.all(
    replicas.map(async ({ rpcPort }) => (await fetch(`http://127.0.0.1:${rpcPort}/metrics`)).text()),
  );
  for (const text of metrics) expect(text).toMatch(/^ordermesh_calls_rate_limited_total\{plan="anonymous"\} [1-9]/m);
});
