// What is under way in the mesh: orders that are not ready, and events that consumers have not had.
import { setTimeout as sleep } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import pg from "pg";
import { OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { eventStream } from "#runtime/events/streams.ts";

export interface OrderTimes {
  count: number;
  p50Ms: number;
  p99Ms: number;
  /** Orders that did not become ready but were cancelled. */
  cancelled: number;
}

export interface Backlog {
  db: pg.Client;
  /** Orders that are accepted and not yet ready. */
  pending(): Promise<number>;
  /** Waits until every order is ready and every consumer has had every event; answers how long that took. */
  settle(): Promise<number>;
  /** The newest order so far. */
  newestOrder(): Promise<string>;
  /** From placed to the moment at which orders says that it is ready, of the orders after the given one. */
  timesSince(orderId: string): Promise<OrderTimes>;
  close(): Promise<void>;
}

const settleMsMax = 180_000;
const lookEveryMs = 20;

export async function openBacklog({ databaseUrl, natsUrl }: { databaseUrl: string; natsUrl: string }): Promise<Backlog> {
  const db = new pg.Client({ connectionString: databaseUrl });
  await db.connect();
  const connection = await connect({ servers: natsUrl });
  const manager = await jetstreamManager(connection);
  const pending = async (): Promise<number> => {
    const counted = await db.query<{ count: number }>({
      name: "pending",
      text: "select count(*)::integer as count from orders.orders where tenant_id = 'demo' and state = 'pending'",
    });
    return counted.rows[0]?.count ?? 0;
  };
  const unheard = async (): Promise<number> => {
    let count = 0;
    for await (const { num_pending, num_ack_pending } of manager.consumers.list(eventStream))
      count += num_pending + num_ack_pending;
    return count;
  };
  return {
    db,
    pending,
    settle: async () => {
      const startedMs = performance.now();
      // An event may be on its way from an outbox: quiet is what is quiet twice.
      for (let quiet = 0; quiet < 2;) {
        const isQuiet = (await pending()) === 0 && (await unheard()) === 0;
        quiet = isQuiet ? quiet + 1 : 0;
        if (quiet === 2) break;
        if (performance.now() - startedMs > settleMsMax) throw new Error(`orders were not ready ${settleMsMax / 1_000} s later`);
        await sleep(lookEveryMs);
      }
      return performance.now() - startedMs;
    },
    newestOrder: async () => {
      const text = "select order_id from orders.orders where tenant_id = 'demo' order by order_id desc limit 1";
      return (await db.query<{ order_id: string }>(text)).rows[0]?.order_id ?? "";
    },
    timesSince: (orderId) => readTimes(db, orderId),
    close: async () => {
      await connection.close();
      await db.end();
    },
  };
}

async function readTimes(db: pg.Client, orderId: string): Promise<OrderTimes> {
  const read = await db.query<{ count: number; p50Ms: number; p99Ms: number; cancelled: number }>(
    `with placed as (
       select tenant_id, order_id, create_time, state from orders.orders where tenant_id = 'demo' and order_id > $1
     ), ready as (
       select extract(epoch from event_time - create_time) * 1000 as ms
       from placed join orders.outbox on outbox.tenant_id = placed.tenant_id and key = order_id
       where type_name = $2
     )
     select count(*)::integer as count,
       percentile_cont(0.5) within group (order by ms)::float8 as "p50Ms",
       percentile_cont(0.99) within group (order by ms)::float8 as "p99Ms",
       (select count(*)::integer from placed where state = 'cancelled') as cancelled
     from ready`,
    [orderId, OrderReadySchema.typeName],
  );
  return read.rows[0] ?? { count: 0, p50Ms: Number.NaN, p99Ms: Number.NaN, cancelled: 0 };
}
