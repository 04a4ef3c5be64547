// Does an order whose event cannot be handled slow the others down? Rounds with and without such an order, in turn, on the
// same servers; and at the end the poisoned orders are mended and sent on.
//   npm run bench:poison -- --orders 1000
import { setTimeout as sleep } from "node:timers/promises";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { createClient, type Client } from "@connectrpc/connect";
import pg from "pg";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { DeadLetterState } from "#gen/ordermesh/operations/v1/dead_letter_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { percentile, startBenchMesh } from "./bench/mesh.ts";
import { operatorTransport } from "./operator.ts";
import { runBenchmark } from "./bench/program.ts";

const roundsOfEach = 4;
const callers = 8;
const roundMsMax = 120_000;
const sku = "POISON-TEST";

interface Round {
  hasPoison: boolean;
  wallMs: number;
  readyMs: number[];
}

/** The fault: writing what was reported about these orders fails, as a defect in a handler would. */
const fault = `
  create table orders.bench_poison (order_id text primary key);
  create function orders.bench_poison() returns trigger language plpgsql as $$
  begin
    if exists (select from orders.bench_poison p where p.order_id = new.order_id) then raise exception 'poison'; end if;
    return new;
  end $$;
  create trigger bench_poison before update on orders.order_services for each row execute function orders.bench_poison();`;

async function untilTrue(what: string, ask: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + roundMsMax;
  while (!(await ask())) {
    if (performance.now() > endMs) throw new Error(`${what}: not so after ${roundMsMax / 1_000} s`);
    await sleep(10);
  }
}

type Orders = Client<typeof OrdersService>;

async function place(orders: Orders, customer: string): Promise<string> {
  const items = [{ sku, quantity: 1n }];
  const basket = { customerId: customer, currency: "EUR", paymentToken: "tok_success", items };
  return (await orders.placeOrder(basket)).order?.orderId ?? "";
}

/** Places orders by a fixed number of callers, one of them poisoned in the middle, and waits until all others are ready. */
async function runRound(
  to: { orders: Orders; db: pg.Client },
  round: { number: number; count: number; hasPoison: boolean },
): Promise<Round & { poisoned: string[] }> {
  const ids: string[] = [];
  const poisoned: string[] = [];
  const startedMs = performance.now();
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let index = next++; index < round.count; index = next++) {
      ids.push(await place(to.orders, `buyer-${round.number}-${Math.floor(index / 10)}`));
      if (!round.hasPoison || index !== Math.floor(round.count / 2)) continue;
      const orderId = await place(to.orders, `poisoned-${round.number}`);
      await to.db.query("insert into orders.bench_poison values ($1)", [orderId]);
      poisoned.push(orderId);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const ready = "select count(*)::integer as ready from orders.orders where order_id = any($1) and state <> 'pending'";
  await untilTrue("orders are ready", async () => {
    const { rows } = await to.db.query<{ ready: number }>(ready, [ids]);
    return rows[0]?.ready === ids.length;
  });
  const wallMs = performance.now() - startedMs;
  const times = await to.db.query<{ ms: number }>(
    `select (extract(epoch from time - create_time) * 1000)::float8 as ms from orders.order_timeline join orders.orders using (tenant_id, order_id)
     where order_id = any($1) and sequence = 2`,
    [ids],
  );
  return { hasPoison: round.hasPoison, wallMs, readyMs: times.rows.map(({ ms }) => ms), poisoned };
}

/** Takes the fault away and sends the letters again; answers how many orders then went their whole way. */
async function mend(to: { operations: Client<typeof OperationsService>; db: pg.Client }, poisoned: string[]): Promise<number> {
  await untilTrue("every poisoned order has a letter", async () => {
    const { deadLetters } = await to.operations.listDeadLetters({ filter: { state: DeadLetterState.OPEN }, pageSize: 500 });
    const keys = new Set(deadLetters.map(({ key }) => key));
    return poisoned.every((orderId) => keys.has(orderId));
  });
  await to.db.query("delete from orders.bench_poison");
  const { redrive } = await to.operations.redriveDeadLetters({ filter: {}, reason: "the fault is gone" });
  await untilTrue("the redrive is done", async () => {
    const answer = await to.operations.getRedrive({ redriveId: redrive?.redriveId ?? "" });
    return answer.redrive?.finishTime !== undefined;
  });
  const delivered = "select count(*)::integer as delivered from orders.orders where order_id = any($1) and state = 'delivered'";
  let count = 0;
  await untilTrue("mended orders arrive", async () => {
    count = (await to.db.query<{ delivered: number }>(delivered, [poisoned])).rows[0]?.delivered ?? 0;
    return count === poisoned.length;
  });
  return count;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { orders: { type: "string", default: "1000" } } });
  const total = Number(values.orders);
  if (!Number.isInteger(total) || total < 40 || total > 20_000) throw new Error("--orders takes 40 to 20000.");
  const mesh = await startBenchMesh({ ORDERMESH_CARRIER_DISPATCH_MS: "200", ORDERMESH_CARRIER_DELIVER_MS: "200" });
  const db = new pg.Client({ connectionString: mesh.backing.databaseUrl });
  try {
    await db.connect();
    await db.query(fault);
    const transport = operatorTransport(mesh.rpcUrl);
    const orders = createClient(OrdersService, transport);
    const prices = [{ currencyCode: "EUR", minorUnits: 500n }];
    await createClient(CatalogService, transport).createProduct({
      title: "for the benchmark",
      variants: [{ variant: { sku, prices }, initialStock: 1_000_000n }],
    });
    await untilTrue(
      "stock is booked",
      async () => (await db.query("select from inventory.stock where sku = $1", [sku])).rowCount === 1,
    );
    await runRound({ orders, db }, { number: 0, count: 100, hasPoison: false });
    const rounds: Round[] = [];
    const poisoned: string[] = [];
    for (let index = 0; index < roundsOfEach * 2; index += 1) {
      // With and without, in turn, so that what else the machine does falls on both; each of the two goes first as often.
      const hasPoison = [false, true, true, false][index % 4] === true;
      const round = await runRound({ orders, db }, { number: index + 1, count: Math.round(total / roundsOfEach), hasPoison });
      rounds.push(round);
      poisoned.push(...round.poisoned);
      console.log(`  round ${index + 1} ${hasPoison ? "with   " : "without"} poison: ${round.wallMs.toFixed(0)} ms`);
    }
    const mended = await mend({ operations: createClient(OperationsService, transport), db }, poisoned);
    print({ rounds, total, poisoned: poisoned.length, mended });
  } finally {
    await db.end();
    await mesh.close();
  }
}

function print({ rounds, total, poisoned, mended }: { rounds: Round[]; total: number; poisoned: number; mended: number }): void {
  const of = (hasPoison: boolean): Round[] => rounds.filter((round) => round.hasPoison === hasPoison);
  const wall = (hasPoison: boolean): number => of(hasPoison).reduce((sum, { wallMs }) => sum + wallMs, 0);
  const row = (name: string, hasPoison: boolean): string => {
    const readyMs = of(hasPoison).flatMap((round) => round.readyMs);
    const figures = [wall(hasPoison), percentile(readyMs, 0.5), percentile(readyMs, 0.99)];
    return `  ${name.padEnd(28)}${figures.map((figure) => figure.toFixed(0).padStart(12)).join("")}`;
  };
  console.log(
    [
      `${total} orders with and ${total} without poisoned ones among them, fsync on, ${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown processor"}`,
      `  ${"milliseconds".padEnd(28)}   all ready   ready p50   ready p99`,
      row("without", false),
      row(`with ${poisoned} poisoned`, true),
      `  with poison the others took ${((wall(true) / wall(false) - 1) * 100).toFixed(1)} % longer; ${mended} of ${poisoned} poisoned orders were mended and arrived`,
    ].join("\n"),
  );
}

await runBenchmark(main);
