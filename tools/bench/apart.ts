// Services in processes of their own: so many replicas of orders and of inventory, and the rest in one.
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { Backing } from "#runtime/backing/resolve.ts";
import { freePort } from "#runtime/backing/free-port.ts";
import { startMeshOn, type MeshProcess } from "./mesh.ts";
import { unbounded, unhurried } from "./settings.ts";

const rest = [
  "catalog",
  "payments",
  "fraud",
  "shipping",
  "operations",
  "identity",
  "customers",
  "notifications",
  "media",
] as const;
/** Enough for three replicas to have some each. */
const partitions = "6";
const connectionsOfService = "6";
const leaveMsMax = 30_000;
const lookEveryMs = 20;

export interface Apart {
  ordersUrls: string[];
  inventoryUrls: string[];
  restUrl: string;
  edgeUrl: string;
  orders: MeshProcess[];
  inventory: MeshProcess[];
  pids: number[];
  stop(): Promise<void>;
}

export async function startApart(backing: Backing, replicas: number): Promise<Apart> {
  const portsOf = (count: number): Promise<number[]> => Promise.all(Array.from({ length: count }, freePort));
  const [ordersPorts, inventoryPorts, [restPort = 0]] = [await portsOf(replicas), await portsOf(replicas), await portsOf(1)];
  const urlOf = (port: number): string => `http://127.0.0.1:${port}`;
  const [ordersUrls, inventoryUrls, restUrl] = [ordersPorts.map(urlOf), inventoryPorts.map(urlOf), urlOf(restPort)];
  const env = {
    ...unhurried,
    ...unbounded,
    ORDERMESH_PARTITIONS: partitions,
    ORDERMESH_DATABASE_CONNECTIONS: connectionsOfService,
    ORDERMESH_ORDERS_URL: ordersUrls.join(","),
    ORDERMESH_INVENTORY_URL: inventoryUrls.join(","),
    ...Object.fromEntries(rest.map((name) => [`ORDERMESH_${name.toUpperCase()}_URL`, restUrl])),
  };
  const start = (only: string, port: number): Promise<MeshProcess> =>
    startMeshOn(backing, { env: { ...env, ORDERMESH_RPC_PORT: String(port) }, args: ["--only", only] });
  const others = await start([...rest, "edge"].join(","), restPort);
  const orders = await Promise.all(ordersPorts.map((port) => start("orders", port)));
  const inventory = await Promise.all(inventoryPorts.map((port) => start("inventory", port)));
  const all = [others, ...orders, ...inventory];
  return {
    ordersUrls,
    inventoryUrls,
    restUrl,
    edgeUrl: others.edgeUrl,
    orders,
    inventory,
    pids: all.map(({ pid }) => pid),
    stop: async () => void (await Promise.all(all.map((each) => each.stop()))),
  };
}

/** Kills a process as a crash would; answers after how many milliseconds others have all that it held. */
export async function killAndAwaitHeirs(db: pg.Client, service: "orders" | "inventory", victim: MeshProcess): Promise<number> {
  const holder = `%-${victim.pid}-%`;
  const held = async (): Promise<number> => {
    const text = `select count(*)::integer as count from ${service}.lease where holder like $1 and name not like 'member:%'`;
    return (await db.query<{ count: number }>(text, [holder])).rows[0]?.count ?? 0;
  };
  if ((await held()) === 0) throw new Error(`the replica of ${service} that was to be killed held nothing`);
  const startedMs = performance.now();
  await victim.kill();
  while ((await held()) > 0) {
    if (performance.now() - startedMs > leaveMsMax) throw new Error(`nobody took over from a replica of ${service}`);
    await sleep(lookEveryMs);
  }
  return performance.now() - startedMs;
}
