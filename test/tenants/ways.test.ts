// What tenants cost on the way to the database: no packet more, and no plan that reads more than it did.
import { sql, type Kysely } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connectDatabase, type ServiceDatabase } from "#runtime/database/connect.ts";
import { migrateUp } from "#runtime/database/migrate.ts";
import { readOutbox } from "#runtime/events/relay-store.ts";
import { createLogger } from "#runtime/log.ts";
import { runInContext } from "#runtime/request-context.ts";
import { claimDue } from "#runtime/schedule/due-store.ts";
import { createPlacements, type Placement } from "../../services/orders/events/place.ts";
import { orders } from "../../services/orders/main.ts";
import { readChanges } from "../../services/orders/store/changes.ts";
import { listOrders, readOrder } from "../../services/orders/store/read.ts";
import type { OrdersTables } from "../../services/orders/store/tables.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let owner: ServiceDatabase<OrdersTables>;
let application: ServiceDatabase<OrdersTables>;
let packets: number[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  const log = createLogger({ level: "silent" });
  const connect = (as: "owner" | "application") =>
    connectDatabase<OrdersTables>({
      url: database.url,
      as,
      schema: "orders",
      connectionsMax: 2,
      log,
      onCommit: () => {},
      sending: { sent: (statements) => void (as === "application" && packets.push(statements)) },
    });
  owner = connect("owner");
  await migrateUp(owner.db, { schema: "orders", folder: orders.migrations });
  application = connect("application");
});

beforeEach(() => {
  packets = [];
});

afterAll(async () => {
  await Promise.all([owner.close(), application.close()]);
  await database.drop();
});

function placement(tenant: string, orderId: string): Placement {
  const createTime = new Date();
  return {
    order: {
      tenant,
      orderId,
      customerId: "ada",
      currencyCode: "EUR",
      items: [{ sku: "MUG", title: "Mug", quantity: 1, unitPrice: 1_000, lineTotal: 1_000 }],
      subtotal: 1_000,
      shippingCost: 0,
      shippingTax: undefined,
      taxAdded: 0,
      total: 1_000,
      shippingMethod: "STANDARD",
      shippingAddress: undefined,
      paymentToken: "tok_success",
      requestId: orderId,
      requestHash: Buffer.from("x"),
      createTime,
      expireTime: new Date(createTime.getTime() + 60_000),
      priority: "NORMAL",
      processAfter: undefined,
      note: "",
      screening: { paymentMethodBin: "", deviceFingerprint: "", email: "" },
    },
    cause: { id: "req_test", traceparent: "" },
    entry: {
      tenant,
      subject: "ada",
      clientId: "shop",
      roles: "customer",
      method: "ordermesh.orders.v1.OrdersService/PlaceOrder",
      resourceKind: "order",
      resourceId: orderId,
      before: null,
      after: "{}",
      outcome: "OK",
      reason: "",
      peer: "192.0.2.7",
      requestId: "req_test",
    },
  };
}

test("orders of one tenant, or of two, are written in one packet", async () => {
  const placements = createPlacements(application);
  await placements.add(placement("a", "ord_1"));
  // BEGIN with its scope, the tenant, seven writes, COMMIT.
  expect(packets).toEqual([10]);
  packets = [];
  await Promise.all([
    placements.add(placement("a", "ord_2")),
    placements.add(placement("b", "ord_2")),
    placements.add(placement("a", "ord_3")),
  ]);
  expect(packets.length).toBeLessThanOrEqual(2);
  const { rows } = await sql`select tenant_id || ' ' || order_id as text from orders order by 1`.execute(owner.db);
  expect(rows).toEqual(["a ord_1", "a ord_2", "a ord_3", "b ord_2"].map((text) => ({ text })));
  const entries = await sql`select tenant_id || ' ' || resource_id as text from audit_entry order by 1`.execute(owner.db);
  expect(entries.rows).toEqual(rows);
});

describe("with very many rows of many tenants", () => {
  beforeAll(async () => {
    const events = sql`insert into outbox (event_id, type_name, tenant_id, key, sequence, event_time, cause_id, traceparent, payload)
      select 'evt_' || n, 'type', 't' || n % 20, 'key', 1, now(), '', '', '' from generate_series(1, ${sql.lit(20_000)}) n`;
    await events.execute(owner.db);
    await sql`update relay_cursor set xid = pg_current_xact_id()`.execute(owner.db);
    await events.execute(owner.db);
    await sql`
      insert into due_work (id, kind, tenant_id, key, due_time, cause_id, traceparent)
      select 'due_' || n, 'kind', 't' || n % 20, n::text, now() + interval '1 hour', '', ''
      from generate_series(1, ${sql.lit(20_000)}) n`.execute(owner.db);
    await sql`
      insert into orders (tenant_id, order_id, customer_id, state, currency_code, subtotal, shipping_cost, total, shipping_method,
        payment_token, expire_time, create_time, update_time)
      select 't' || n % 20, 'ord_' || n, 'c' || n % 1000, 'delivered', 'EUR', 1, 0, 1, 'STANDARD', '', now(), now(), now()
      from generate_series(1, ${sql.lit(20_000)}) n`.execute(owner.db);
    await sql`
      insert into order_timeline (tenant_id, order_id, sequence, state, time)
      select tenant_id, order_id, 1, 'pending', now() from orders on conflict do nothing`.execute(owner.db);
    await sql`
      insert into order_services (tenant_id, order_id, expires_at, create_time, update_time)
      select tenant_id, order_id, now(), now(), now() from orders on conflict do nothing`.execute(owner.db);
    await sql`analyze outbox, due_work, orders, order_timeline, order_services`.execute(owner.db);
  });

  /** Rows of a table that a piece of work has looked at, as the application. */
  async function rowsRead(table: string, work: (tx: Kysely<OrdersTables>) => Promise<unknown>): Promise<number> {
    const read = async (tx: Kysely<OrdersTables>): Promise<number> => {
      const counted = await sql<{ read: number }>`
        select coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint as read from pg_stat_xact_user_tables
        where relid in (select relid from pg_partition_tree(${table}::regclass) union select ${table}::regclass)`.execute(tx);
      return counted.rows[0]?.read ?? 0;
    };
    const context = { requestId: "req_test", traceparent: "", tenant: "t7" };
    return runInContext(context, () =>
      (["outbox", "due_work", "order_timeline"].includes(table) ? application.system : application).transaction(async (tx) => {
        const before = await read(tx);
        await work(tx);
        return (await read(tx)) - before;
      }),
    );
  }

  /** Behind all but the last of what one transaction has written. */
  const lateInTransaction = async (tx: Kysely<OrdersTables>) => {
    const { rows } = await sql<{ xid: string }>`select xid::text as xid from order_timeline where order_id = 'ord_9999'`.execute(
      tx,
    );
    return { xid: rows[0]?.xid ?? "", orderId: "ord_9998", sequence: 1 };
  };
  test.each<[string, string, (tx: Kysely<OrdersTables>) => Promise<unknown>, number]>([
    ["the relay reads what waits", "outbox", (tx) => readOutbox(tx, 100), 220],
    ["a claim reads what is due", "due_work", (tx) => claimDue(tx, { kinds: ["kind"], itemsMax: 50 }), 10],
    [
      "the changes of orders are read from a place on",
      "order_timeline",
      async (tx) => readChanges(tx, { after: await lateInTransaction(tx), rowsMax: 100 }),
      5,
    ],
    ["an order is found by its key", "orders", (tx) => readOrder(tx, { tenant: "t7", orderId: "ord_7" }), 1],
    [
      "a customer's orders are found by the customer",
      "orders",
      (tx) =>
        listOrders(tx, { tenant: "t7", customerId: "c7", state: undefined, priority: undefined, before: undefined, rowsMax: 10 }),
      25,
    ],
  ])("%s", async (_name, table, work, rowsMax) => {
    expect(await rowsRead(table, work)).toBeLessThanOrEqual(rowsMax);
  });
});
