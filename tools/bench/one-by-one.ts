// The limit of acceptance: the rows of an order, written one order per transaction, by pgbench or, where it is not
// installed, by bare connections of pg.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, glob, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import pg from "pg";

export interface OneByOne {
  /** Such as "pgbench, one order a transaction". */
  name: string;
  /** Orders a second at a number of clients. */
  measure(load: { clients: number; seconds: number }): Promise<number>;
  close(): Promise<void>;
}

const schema = "bench_limit";
/** So many clients need a second until each has connected, prepared its statements and read what the server's catalogue says. */
const clientsPerSecond = 16;
/** Seconds that do not count. */
const warmUpOf = (clients: number): number => 1 + Math.ceil(clients / clientsPerSecond);
const tables = ["orders", "order_item", "order_services", "order_timeline", "outbox", "due_work", "audit_entry"] as const;
const ofOrders = "foreign key (tenant_id, order_id) references bench_limit.orders";

/** Tables as those of the service, with their indexes and constraints. */
const createTables = [
  `drop schema if exists ${schema} cascade`,
  `create schema ${schema}`,
  ...tables.map((table) => `create table ${schema}.${table} (like orders.${table} including all)`),
  ...["order_item", "order_services", "order_timeline"].map((table) => `alter table ${schema}.${table} add ${ofOrders}`),
];

/** The first statement makes the id, which the others are given as :id. */
const insertOrder = `
  insert into ${schema}.orders (tenant_id, order_id, customer_id, state, currency_code, subtotal, shipping_cost, total,
    shipping_method, payment_token, request_hash, expire_time, create_time, update_time)
  values ('demo', 'ord_' || substr(replace(uuidv7()::text, '-', ''), 1, 26), 'bench-' || random()::text, 'pending', 'EUR',
    1500, 490, 1990, 'STANDARD', 'tok_success', decode(repeat('ab', 32), 'hex'), now() + interval '15 min', now(), now())
  returning order_id as id`;
const insertParts = [
  `insert into ${schema}.order_item (tenant_id, order_id, position, sku, title, quantity, unit_price)
   values ('demo', :id, 0, 'BENCH-1', 'for the benchmark', 1, 500), ('demo', :id, 1, 'BENCH-2', 'for the benchmark', 2, 500)`,
  `insert into ${schema}.order_services (tenant_id, order_id, expires_at, create_time, update_time)
   values ('demo', :id, now() + interval '15 min', now(), now())`,
  `insert into ${schema}.order_timeline (tenant_id, order_id, sequence, state, time) values ('demo', :id, 1, 'pending', now())`,
  `insert into ${schema}.outbox (event_id, type_name, tenant_id, key, sequence, event_time, cause_id, traceparent, payload)
   values ('evt_' || substr(:id, 5), 'ordermesh.orders.events.v2.OrderCreated', 'demo', :id, 1, now(), 'req_' || substr(:id, 5),
     '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', decode(repeat('ab', 260), 'hex'))`,
  `insert into ${schema}.due_work (id, kind, tenant_id, key, due_time, cause_id, traceparent)
   values ('due_' || substr(:id, 5), 'orders.expire', 'demo', :id, now() + interval '15 min', 'req_' || substr(:id, 5),
     '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')`,
  `insert into ${schema}.audit_entry (tenant_id, subject, client_id, roles, method, resource_kind, resource_id, before, after, outcome,
     reason, peer, request_id, entry_time, hash)
   values ('demo', 'cli_benchmark', 'cli_benchmark', 'operator service', 'ordermesh.orders.v1.OrdersService/PlaceOrder', 'order', :id, null,
     '{"customerId":"bench-1-1","state":"ORDER_STATE_PENDING","total":{"currencyCode":"EUR","minorUnits":"1990"}}', 'OK', '', '127.0.0.1',
     'req_' || substr(:id, 5), now(), decode(repeat('ab', 32), 'hex'))`,
];

export async function openOneByOne(databaseUrl: string): Promise<OneByOne> {
  const db = new pg.Client({ connectionString: databaseUrl });
  await db.connect();
  for (const statement of createTables) await db.query(statement);
  const pgbench = await findPgbench();
  const write = pgbench ? await byPgbench(pgbench, databaseUrl) : byPg(databaseUrl);
  return {
    ...write,
    measure: async (load) => {
      // Each measurement begins with empty tables, as the first did.
      await db.query(`truncate ${tables.map((table) => `${schema}.${table}`).join(", ")}`);
      return write.measure(load);
    },
    close: async () => {
      await write.close();
      await db.query(`drop schema ${schema} cascade`);
      await db.end();
    },
  };
}

/** On the PATH, or where the usual packages put it. */
async function findPgbench(): Promise<string | undefined> {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  for await (const folder of glob(["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin"])) {
    folders.push(folder);
  }
  for (const folder of folders) {
    const path = join(folder, "pgbench");
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}

async function byPgbench(program: string, databaseUrl: string): Promise<OneByOne> {
  const folder = await mkdtemp(join(tmpdir(), "ordermesh-pgbench-"));
  const script = join(folder, "order.sql");
  const rest = insertParts.map((statement) => `${statement};`).join("\n");
  await writeFile(script, `begin;\n${insertOrder} \\gset\n${rest}\ncommit;\n`);
  return {
    name: "pgbench, one order a transaction",
    measure: async ({ clients, seconds }) => {
      const threads = Math.min(2, clients);
      const warmUp = warmUpOf(clients);
      const time = ["-T", warmUp + seconds, "-P", 1];
      const args = ["-n", "-M", "prepared", "-c", clients, "-j", threads, ...time, "-f", script, databaseUrl];
      const child = spawn(program, args.map(String), { stdio: ["ignore", "pipe", "pipe"] });
      let output = "";
      const add = (chunk: Buffer): void => void (output += chunk.toString());
      child.stdout.on("data", add);
      child.stderr.on("data", add);
      const [code] = (await once(child, "close")) as [number | null];
      const perSecond = rateAfter(warmUp, output);
      if (code !== 0 || !(perSecond > 0)) throw new Error(`pgbench has not measured:\n${output}`);
      return perSecond;
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The mean of what pgbench has told each second ("progress: 3.0 s, 911.0 tps, ..."), from a time on; NaN where it told nothing. */
function rateAfter(seconds: number, output: string): number {
  const told = [...output.matchAll(/^progress: ([\d.]+) s, ([\d.]+) tps/gm)].filter(([, at]) => Number(at) > seconds + 0.5);
  return told.reduce((sum, [, , perSecond]) => sum + Number(perSecond), 0) / told.length;
}

function byPg(databaseUrl: string): OneByOne {
  const parts = insertParts.map((text, index) => ({ name: `part-${index}`, text: text.replaceAll(":id", "$1::text") }));
  const writeOne = async (client: pg.Client): Promise<void> => {
    await client.query("begin");
    const { rows } = await client.query<{ id: string }>({ name: "order", text: insertOrder });
    for (const part of parts) await client.query({ ...part, values: [rows[0]?.id] });
    await client.query("commit");
  };
  return {
    name: "pg, one order a transaction",
    measure: async ({ clients, seconds }) => {
      const connections = Array.from({ length: clients }, () => new pg.Client({ connectionString: databaseUrl }));
      await Promise.all(connections.map((client) => client.connect()));
      let startedMs = performance.now();
      let orders = 0;
      const work = async (client: pg.Client, forMs: number): Promise<void> => {
        while (performance.now() - startedMs < forMs) {
          await writeOne(client);
          orders += 1;
        }
      };
      await Promise.all(connections.map((client) => work(client, warmUpOf(clients) * 1_000)));
      [startedMs, orders] = [performance.now(), 0];
      await Promise.all(connections.map((client) => work(client, seconds * 1_000)));
      const perSecond = (orders * 1_000) / (performance.now() - startedMs);
      await Promise.all(connections.map((client) => client.end()));
      return perSecond;
    },
    close: async () => {},
  };
}
