// Direct SQL on the application's connection, as a mistake or an injection would send it: what the database itself refuses.
import { sql, type Kysely, type Transaction } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { applicationRole } from "#runtime/database/application-role.ts";
import { connectDatabase, type ServiceDatabase } from "#runtime/database/connect.ts";
import { migrateUp } from "#runtime/database/migrate.ts";
import { maintainPartitions } from "#runtime/database/partitions.ts";
import { actFor, actForAll } from "#runtime/database/scope.ts";
import { createLogger } from "#runtime/log.ts";
import { runInContext } from "#runtime/request-context.ts";
import { orders } from "../../services/orders/main.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let owner: ServiceDatabase<never>;
let application: ServiceDatabase<never>;

const packets: number[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  const log = createLogger({ level: "silent" });
  const connect = (as: "owner" | "application") =>
    connectDatabase<never>({
      url: database.url,
      as,
      schema: "orders",
      connectionsMax: 3,
      log,
      onCommit: () => {},
      sending: { sent: (statements) => void (as === "application" && packets.push(statements)) },
    });
  owner = connect("owner");
  await migrateUp(owner.db, { schema: "orders", folder: orders.migrations });
  await maintainPartitions(owner.db, { schema: "orders", now: new Date() });
  application = connect("application");
  for (const tenant of ["ours", "theirs"]) {
    await sql`
      insert into orders (tenant_id, order_id, customer_id, state, currency_code, subtotal, shipping_cost, total, shipping_method,
        payment_token, request_id, expire_time, create_time, update_time)
      values (${tenant}, 'ord_1', 'ada', 'pending', 'EUR', 1, 0, 1, 'STANDARD', '', 'req_1', now(), now(), now())`.execute(
      owner.db,
    );
    await writeOutbox(owner.db, tenant);
    await sql`
      insert into inbox (event_id, event_time, stream_sequence) values (${`evt_${tenant}`}, now(), 1)`.execute(owner.db);
  }
});

afterAll(async () => {
  await Promise.all([owner.close(), application.close()]);
  await database.drop();
});

const asTenant = <Result>(tenant: string, work: () => Promise<Result>): Promise<Result> =>
  runInContext({ requestId: "req_test", traceparent: "", tenant }, work);

const inTransaction = <Result>(work: (tx: Transaction<never>) => Promise<Result>): Promise<Result> =>
  asTenant("ours", () => application.transaction(work));

async function writeOutbox(db: Kysely<never>, tenant: string): Promise<void> {
  await sql`
    insert into outbox (event_id, type_name, tenant_id, key, sequence, event_time, cause_id, traceparent, payload)
    values ('evt', 'type', ${tenant}, 'key', 1, now(), '', '', '')`.execute(db);
}

const tenantsIn = async (db: Kysely<never>, table: string): Promise<string[]> => {
  const read = await sql<{ tenant: string }>`select tenant_id as tenant from ${sql.raw(table)} order by 1`.execute(db);
  return read.rows.map(({ tenant }) => tenant);
};

const policyRefusal = { code: "42501", message: expect.stringContaining("row-level security") as string };

describe("a tenant", () => {
  test("sees its own rows and no other's, in a transaction and by a statement alone", async () => {
    expect(await asTenant("ours", () => tenantsIn(application.db, "orders"))).toEqual(["ours"]);
    expect(await inTransaction((tx) => tenantsIn(tx, "orders"))).toEqual(["ours"]);
    expect(await asTenant("ours", () => tenantsIn(application.db, "outbox"))).toEqual(["ours"]);
    expect(await asTenant("third", () => tenantsIn(application.db, "orders"))).toEqual([]);
  });

  test("writes no row of another", async () => {
    await expect(inTransaction((tx) => writeOutbox(tx, "theirs"))).rejects.toMatchObject(policyRefusal);
    await expect(inTransaction((tx) => writeOutbox(tx, ""))).rejects.toMatchObject(policyRefusal);
    await expect(inTransaction((tx) => writeOutbox(tx, "ours"))).resolves.toBeUndefined();
  });

  test("changes and deletes no row of another, and moves none of its own there", async () => {
    const changed = await inTransaction((tx) =>
      sql`update orders set customer_id = 'eve' where order_id = 'ord_1' returning tenant_id`.execute(tx),
    );
    expect(changed.rows).toEqual([{ tenant_id: "ours" }]);
    const locked = await inTransaction((tx) => sql`select tenant_id from orders for update`.execute(tx));
    expect(locked.rows).toEqual([{ tenant_id: "ours" }]);
    const gone = await inTransaction((tx) => sql`delete from orders where tenant_id = 'theirs'`.execute(tx));
    expect(gone.numAffectedRows).toBe(0n);
    await expect(inTransaction((tx) => sql`update outbox set tenant_id = 'theirs'`.execute(tx))).rejects.toMatchObject(
      policyRefusal,
    );
    expect(await tenantsIn(owner.db, "orders")).toEqual(["ours", "theirs"]);
  });

  test("does not overwrite another's row by a conflict of keys", async () => {
    const taken = inTransaction((tx) =>
      sql`
        insert into order_item (tenant_id, order_id, position, sku, title, quantity, unit_price)
        values ('theirs', 'ord_1', 1, 'SKU', '', 1, 1)
        on conflict (tenant_id, order_id, position) do update set quantity = 99`.execute(tx),
    );
    await expect(taken).rejects.toMatchObject(policyRefusal);
  });

  test("sees nothing of what only the runtime asks for", async () => {
    const read = await asTenant("ours", () => sql`select from inbox`.execute(application.db));
    expect(read.rows).toEqual([]);
  });

  test.each(["outbox_default", "inbox_default"])("does not get at %s by its own name", async (partition) => {
    await expect(asTenant("ours", () => sql`select from ${sql.id(partition)}`.execute(application.db))).rejects.toMatchObject({
      code: "42501",
    });
  });

  test("does not get at a partition that was made later either, and nor does whoever is given it", async () => {
    const { rows } = await sql<{ name: string }>`select tableoid::regclass::text as name from outbox limit 1`.execute(owner.db);
    const today = rows[0]?.name ?? "";
    expect(today).toMatch(/^outbox_p\d{8}$/);
    const read = () => asTenant("ours", () => tenantsIn(application.db, today));
    await expect(read()).rejects.toMatchObject({ code: "42501" });
    await sql`grant select on ${sql.raw(today)} to ${sql.id(applicationRole)}`.execute(owner.db);
    expect(new Set(await read())).toEqual(new Set(["ours"]));
  });

  test("with a name that is SQL is only a name", async () => {
    const name = "x'; set local ordermesh.system = 'on'; --\\";
    expect(await asTenant(name, () => tenantsIn(application.db, "orders"))).toEqual([]);
  });
});

describe("without a tenant", () => {
  test("code that runs outside of requests and events is told so", async () => {
    await expect(tenantsIn(application.db, "orders")).rejects.toThrow("no request context");
    await expect(application.transaction((tx) => tenantsIn(tx, "orders"))).rejects.toThrow("no request context");
  });

  test("there is no row to see or to write, not even one of no tenant, and not after another's transaction", async () => {
    await writeOutbox(owner.db, "");
    // Three transactions one after the other on each connection.
    for (let round = 1; round <= 9; round += 1) {
      await asTenant("theirs", () => tenantsIn(application.db, "orders"));
      await application.system.transaction((tx) => tenantsIn(tx, "orders"));
      expect(await asTenant("", () => tenantsIn(application.db, "outbox"))).toEqual([]);
    }
    await expect(asTenant("", () => writeOutbox(application.db, ""))).rejects.toMatchObject(policyRefusal);
    await sql`delete from outbox where tenant_id = ''`.execute(owner.db);
  });
});

describe("the way out", () => {
  test.each([
    "set role ordermesh_app",
    "reset role",
    "reset all",
    "discard plans",
    "set row_security = off",
    "set local row_security = off",
  ])("%s leads to no other tenant", async (statement) => {
    const seen = inTransaction(async (tx) => {
      await sql.raw(statement).execute(tx);
      return tenantsIn(tx, "orders");
    }).catch((error: unknown) => error);
    const answer = await seen;
    // With row_security off the server refuses what it would have to filter.
    if (statement.includes("row_security")) expect(answer).toMatchObject({ code: "42501" });
    else expect(["ours"]).toEqual(expect.arrayContaining(answer as string[]));
  });

  test.each([
    "alter table orders disable row level security",
    "alter table orders no force row level security",
    "drop policy tenant on orders",
    "create policy more on orders using (true)",
    "alter role ordermesh_app bypassrls",
    "truncate orders cascade",
    "create table copied (like orders)",
    "create view all_orders as select * from orders",
    "create table other (tenant_id text, order_id text references orders)",
    "analyze orders",
  ])("%s is not the application's to say", async (statement) => {
    const said = inTransaction((tx) => sql.raw(statement).execute(tx)).then(
      () => "done",
      (error: unknown) => (error as { code: string }).code,
    );
    // ANALYZE of a table that is not one's own is a warning and nothing.
    expect(await said).toBe(statement === "analyze orders" ? "done" : "42501");
  });

  test("what one login cannot prevent: whoever can send SQL may ask for the system's view or for the login's own role", async () => {
    const all = (statement: string) =>
      inTransaction(async (tx) => {
        await sql.raw(statement).execute(tx);
        return tenantsIn(tx, "orders");
      });
    expect(await all("set local ordermesh.system = 'on'")).toEqual(["ours", "theirs"]);
    expect(await all("set local ordermesh.tenant = 'theirs'")).toEqual(["theirs"]);
    expect(await all("set local role none")).toEqual(["ours", "theirs"]);
  });
});

describe("the system", () => {
  test("sees all tenants, and inside its transaction one at a time where it acts for one", async () => {
    const seen = await application.system.transaction(async (tx) => {
      const all = await tenantsIn(tx, "orders");
      await actFor(tx, "theirs");
      const theirs = await tenantsIn(tx, "orders");
      await actFor(tx, "ours");
      const ours = await tenantsIn(tx, "orders");
      await actForAll(tx);
      return [all, theirs, ours, await tenantsIn(tx, "orders")];
    });
    expect(seen).toEqual([["ours", "theirs"], ["theirs"], ["ours"], ["ours", "theirs"]]);
  });

  test("that acts for a tenant writes for that one only", async () => {
    const written = application.system.transaction(async (tx) => {
      await actFor(tx, "ours");
      await writeOutbox(tx, "theirs");
    });
    await expect(written).rejects.toMatchObject(policyRefusal);
  });
});

describe("the way to the database", () => {
  const packetsOf = async (work: () => Promise<unknown>): Promise<number[]> => {
    packets.length = 0;
    await work();
    return [...packets];
  };

  test("a statement alone goes with its scope in one packet", async () => {
    expect(await packetsOf(() => asTenant("ours", () => tenantsIn(application.db, "orders")))).toEqual([3]);
    expect(await packetsOf(() => tenantsIn(application.system.db, "orders"))).toEqual([3]);
  });

  test("a transaction's scope goes with its first statement, a change of tenant with the next", async () => {
    expect(await packetsOf(() => inTransaction((tx) => tenantsIn(tx, "orders")))).toEqual([2, 1]);
    const acting = () =>
      application.system.transaction(async (tx) => {
        await actFor(tx, "ours");
        await tenantsIn(tx, "orders");
      });
    expect(await packetsOf(acting)).toEqual([3, 1]);
  });

  test("a statement that fails is undone and says why, and the connection serves the next", async () => {
    const failed = asTenant("ours", () => sql`insert into orders (tenant_id) values (${"ours"})`.execute(application.db));
    await expect(failed).rejects.toMatchObject({ code: "23502" });
    expect(await asTenant("ours", () => tenantsIn(application.db, "orders"))).toEqual(["ours"]);
  });
});
