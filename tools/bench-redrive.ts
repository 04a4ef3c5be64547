// Many dead letters are sent again at once, and the process is killed in the middle of it: how long that takes, and that
// each has one effect.
//   npm run bench:redrive -- --letters 10000
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient, type Client } from "@connectrpc/connect";
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import pg from "pg";
import { StockReservedSchema } from "#gen/ordermesh/inventory/events/v1/inventory_events_pb.ts";
import { DeadLetterState, type Redrive } from "#gen/ordermesh/operations/v1/dead_letter_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { eventSubject } from "#runtime/events/contract.ts";
import { writeHeaders } from "#runtime/events/envelope.ts";
import { newId } from "#runtime/ids.ts";
import { startBenchMesh, type BenchMesh } from "./bench/mesh.ts";
import { operatorTransport } from "./operator.ts";
import { runBenchmark } from "./bench/program.ts";

const tenant = "demo";
const publishesInFlight = 100;
const waitMsMax = 600_000;

type Operations = Client<typeof OperationsService>;

/** Says how far it has come each second. */
async function until(what: string, wanted: number, ask: () => Promise<number>): Promise<number> {
  const startedMs = performance.now();
  for (let toldMs = 0; ; await sleep(50)) {
    const count = await ask().catch(() => 0);
    const passedMs = performance.now() - startedMs;
    if (count >= wanted) return passedMs;
    if (passedMs > waitMsMax) throw new Error(`${what}: ${count} of ${wanted} after ${waitMsMax / 1_000} s`);
    if (passedMs - toldMs < 1_000) continue;
    toldMs = passedMs;
    console.log(`  … ${what}: ${count} of ${wanted}`);
  }
}

/** Facts about orders that do not exist: each is refused, and becomes a dead letter. */
async function publishStrangers(natsUrl: string, orderIds: readonly string[]): Promise<void> {
  const connection = await connect({ servers: natsUrl });
  const js = jetstream(connection);
  const waiting = [...orderIds];
  const publisher = async (): Promise<void> => {
    for (let orderId = waiting.pop(); orderId; orderId = waiting.pop()) {
      const { typeName } = StockReservedSchema;
      const about = { id: newId("evt"), typeName, tenant, key: orderId, sequence: 1, time: new Date() };
      const headers = writeHeaders({ ...about, cause: { id: "req_benchmark", traceparent: "" } });
      await js.publish(
        eventSubject(typeName, tenant, orderId),
        toBinary(StockReservedSchema, create(StockReservedSchema, { orderId })),
        {
          headers,
        },
      );
    }
  };
  await Promise.all(Array.from({ length: publishesInFlight }, publisher));
  await connection.close();
}

/** The cause is mended: the orders exist. */
async function plantOrders(db: pg.Client, orderIds: readonly string[]): Promise<void> {
  await db.query(
    `insert into orders.orders (tenant_id, order_id, customer_id, state, currency_code, subtotal, shipping_cost, total,
       shipping_method, payment_token, expire_time, create_time, update_time)
     select $2, id, 'benchmark', 'pending', 'EUR', 100, 0, 100, 'STANDARD', 'tok_success', now() + interval '1 day', now(), now()
     from unnest($1::text[]) as id`,
    [orderIds, tenant],
  );
  await db.query(
    `insert into orders.order_services (tenant_id, order_id, expires_at, create_time, update_time)
     select $2, id, now() + interval '1 day', now(), now() from unnest($1::text[]) as id`,
    [orderIds, tenant],
  );
  await db.query(
    `insert into orders.order_timeline (tenant_id, order_id, sequence, state, time)
     select $2, id, 1, 'pending', now() from unnest($1::text[]) as id`,
    [orderIds, tenant],
  );
}

async function redriveAll(mesh: BenchMesh, operations: Operations, letters: number): Promise<{ redrive: Redrive; ms: number }> {
  const asked = { reason: "the orders exist now" };
  const { redrive: begun } = await operations.redriveDeadLetters({ filter: { code: "ORDER_UNKNOWN" }, ...asked });
  const redriveId = begun?.redriveId ?? "";
  const read = async (): Promise<Redrive> => {
    const { redrive } = await operations.getRedrive({ redriveId });
    if (!redrive) throw new Error("the redrive is gone");
    return redrive;
  };
  const resolved = async (): Promise<number> => Number((await read()).resolved);
  const startedMs = performance.now();
  await until("redriven", letters / 4, resolved);
  console.log("  … killing the process, and starting it again");
  await mesh.killAndRestart();
  await until("redriven", letters, resolved);
  return { redrive: await read(), ms: performance.now() - startedMs };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { letters: { type: "string", default: "10000" } } });
  const letters = Number(values.letters);
  if (!Number.isInteger(letters) || letters < 20 || letters > 100_000) throw new Error("--letters takes 20 to 100000.");
  const mesh = await startBenchMesh({ ORDERMESH_SEED: "none" });
  const db = new pg.Client({ connectionString: mesh.backing.databaseUrl });
  try {
    await db.connect();
    const operations = createClient(OperationsService, operatorTransport(mesh.rpcUrl));
    const orderIds = Array.from({ length: letters }, () => newId("ord"));
    await publishStrangers(mesh.backing.natsUrl, orderIds);
    const open = async (): Promise<number> =>
      Number((await operations.getDeadLetterStats({ filter: { state: DeadLetterState.OPEN } })).total);
    const filedMs = await until("letters", letters, open);
    await plantOrders(db, orderIds);
    const { redrive, ms } = await redriveAll(mesh, operations, letters);
    const effects = await db.query<{ once: number; other: number }>(
      `select count(*) filter (where inventory_status = 'reserved' and inventory_heard = 1 and version = 2)::integer as once,
         count(*) filter (where version > 2)::integer as other
       from orders.order_services join orders.orders using (tenant_id, order_id)`,
    );
    const { once = 0, other = 0 } = effects.rows[0] ?? {};
    console.log(`${letters} letters filed ${(filedMs / 1_000).toFixed(1)} s after their events were published`);
    console.log(
      `${redrive.resolved} redriven in ${(ms / 1_000).toFixed(1)} s, with a kill -9 in the middle; ${redrive.failed} failed`,
    );
    console.log(`${once} orders have the effect once, ${other} more than once`);
    if (once !== letters || other > 0) throw new Error("not every letter has had its effect once");
  } finally {
    await db.end();
    await mesh.close();
  }
}

await runBenchmark(main);
