// Events and due work of several tenants in one transaction: each handler has one tenant's, and gets at no other's rows.
import { sql, type Transaction } from "kysely";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { connectDatabase, type ServiceDatabase } from "#runtime/database/connect.ts";
import { migrateUp } from "#runtime/database/migrate.ts";
import type { Delivery } from "#runtime/events/delivery.ts";
import { createBatchHandler, type BatchHandler } from "#runtime/events/handle-batch.ts";
import { hear, type Hearing, type ReceivedEvent } from "#runtime/events/hearing.ts";
import { parkEvent, readParked } from "#runtime/events/inbox.ts";
import { newId } from "#runtime/ids.ts";
import { takeLeases, type Lease } from "#runtime/lease/lease-store.ts";
import { createLogger } from "#runtime/log.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { applyDue, claimDue, prepareDue } from "#runtime/schedule/due-store.ts";
import { dueWork, planDue } from "#runtime/schedule/due-work.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

type Message = ReceivedEvent<{ title: string }>;

let testDatabase: TestDatabase;
let owner: ServiceDatabase<never>;
let application: ServiceDatabase<never>;
let batches: BatchHandler;
let lease: Lease;
/** What each call of a handler was given, and in whose name. */
let calls: { handler: string; tenant: string; labels: string[] }[] = [];

async function writeDown(tx: Transaction<never>, rows: { tenant: string; key: string; label: string }[]): Promise<void> {
  for (const { tenant, key, label } of rows) {
    await sql`insert into effect (tenant_id, key, label) values (${tenant}, ${key}, ${label})`.execute(tx);
  }
}

const hearing = (name: string): Hearing =>
  hear<typeof ProductCreatedSchema, never>({
    name,
    event: ProductCreatedSchema,
    handle: async (tx, events: Message[]) => {
      calls.push({ handler: name, tenant: currentRequest().tenant, labels: events.map(({ message }) => message.title) });
      const seen = await sql<{ tenant: string }>`select distinct tenant_id as tenant from effect`.execute(tx);
      for (const { tenant } of seen.rows) expect(tenant).toBe(currentRequest().tenant);
      const [crossing] = events.filter(({ message }) => message.title === "cross");
      if (crossing) await writeDown(tx, [{ tenant: "another", key: "k", label: "crossed" }]);
      await writeDown(
        tx,
        events.map(({ tenant, key, message }) => ({ tenant, key, label: message.title })),
      );
    },
  });

const first = hearing("probe.first");
const second = hearing("probe.second");

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  const log = createLogger({ level: "silent" });
  const connect = (as: "owner" | "application") =>
    connectDatabase<never>({ url: testDatabase.url, as, schema: "probe", connectionsMax: 4, log, onCommit: () => {} });
  owner = connect("owner");
  await migrateUp(owner.db, { schema: "probe", folder: new URL("./migrations/", import.meta.url) });
  application = connect("application");
  batches = createBatchHandler(application.system);
});

beforeEach(async () => {
  calls = [];
  await sql`delete from effect`.execute(owner.db);
  await sql`delete from lease`.execute(owner.db);
  [lease] = (await takeLeases(application.system.db, "holder", ["probe_p0"])) as [Lease];
});

afterAll(async () => {
  await Promise.all([owner.close(), application.close()]);
  await testDatabase.drop();
});

/** As much of a delivery as its handling asks for. */
function delivery(
  tenant: string,
  label: string,
  more: { hearing?: Hearing; redriven?: boolean; discarded?: boolean } = {},
): Delivery {
  const id = newId("evt");
  const message = { title: label };
  const event = { id, tenant, key: "same", sequence: 1, time: new Date(), cause: { id, traceparent: "" }, message };
  return {
    streamSequence: 1,
    hearing: first,
    event,
    orderKey: `${tenant}.same`,
    redriven: false,
    discarded: false,
    message: { info: { deliveryCount: 1 } },
    ...more,
  } as unknown as Delivery;
}

async function effects(): Promise<string[]> {
  const { rows } = await sql<{ text: string }>`
    select tenant_id || ' ' || label as text from effect order by id`.execute(owner.db);
  return rows.map(({ text }) => text);
}

const transactionsOf = async (): Promise<number> =>
  (await sql`select distinct xmin::text from effect`.execute(owner.db)).rows.length;

test("each handler has the events of one tenant, in the order of their keys, and all are one transaction", async () => {
  await batches.handle(lease, [
    delivery("b", "1"),
    delivery("a", "2"),
    delivery("b", "3", { hearing: second }),
    delivery("a", "4"),
    delivery("b", "5"),
    delivery("a", "6", { hearing: second }),
  ]);
  expect(calls).toEqual([
    { handler: "probe.first", tenant: "a", labels: ["2", "4"] },
    { handler: "probe.second", tenant: "a", labels: ["6"] },
    { handler: "probe.first", tenant: "b", labels: ["1"] },
    { handler: "probe.second", tenant: "b", labels: ["3"] },
    { handler: "probe.first", tenant: "b", labels: ["5"] },
  ]);
  expect(await effects()).toEqual(["a 2", "a 4", "a 6", "b 1", "b 3", "b 5"]);
  expect(await transactionsOf()).toBe(1);
});

test("a handler that writes for another tenant fails, and nothing of its batch stays", async () => {
  const batch = [delivery("a", "1"), delivery("b", "cross")];
  await expect(batches.handle(lease, batch)).rejects.toMatchObject({ code: "42501" });
  expect(await effects()).toEqual([]);
  await batches.handleAlone(lease, [batch[0]!]);
  expect(await effects()).toEqual(["a 1"]);
});

test("a repeat is handled once, whatever other tenants' events come with it", async () => {
  const repeated = delivery("b", "1");
  await batches.handle(lease, [delivery("a", "1"), repeated]);
  await batches.handle(lease, [repeated, delivery("a", "2")]);
  expect(await effects()).toEqual(["a 1", "b 1", "a 2"]);
});

test("what was parked and comes again is parked no more, of every tenant, also where it is given up", async () => {
  const parked = [delivery("a", "1", { redriven: true }), delivery("b", "2", { redriven: true, discarded: true })];
  for (const one of parked) {
    await parkEvent(application.system.db, lease, one, { partition: 0, code: "X", message: "", attempts: 1 });
  }
  expect(await readParked(application.system.db, 0)).toHaveLength(2);
  await batches.handle(lease, [...parked, delivery("c", "3")]);
  expect(await readParked(application.system.db, 0)).toEqual([]);
  expect(await effects()).toEqual(["a 1", "c 3"]);
});

test("due work of several tenants is claimed together and applied for each as its own", async () => {
  const tenants = ["b", "a", "b"];
  await application.system.transaction((tx) =>
    planDue(
      tx,
      tenants.map((tenant, index) => ({
        kind: "probe.work",
        tenant,
        key: `k${index}`,
        due: { inMs: 0 },
        cause: { id: "req_test", traceparent: "" },
      })),
    ),
  );
  const prepared: string[] = [];
  const applied: { tenant: string; keys: string[]; seen: number }[] = [];
  const work = dueWork<never>({
    kind: "probe.work",
    prepare: (item) => Promise.resolve(void prepared.push(`${item.tenant}=${currentRequest().tenant}`)),
    apply: async (tx, items) => {
      const seen = await sql`select from effect`.execute(tx);
      const { tenant } = currentRequest();
      applied.push({ tenant, keys: items.map(({ item }) => item.key), seen: seen.rows.length });
      await writeDown(
        tx,
        items.map(({ item }) => ({ tenant: item.tenant, key: item.key, label: item.key })),
      );
    },
  });
  const { claimed } = await claimDue(application.system.db, { kinds: ["probe.work"], itemsMax: 10 });
  const rows = claimed.toSorted((one, other) => (one.key < other.key ? -1 : 1));
  await applyDue(application.system, work, await Promise.all(rows.map((row) => prepareDue(work, row))));
  expect(prepared.toSorted()).toEqual(["a=a", "b=b", "b=b"]);
  expect(applied).toEqual([
    { tenant: "a", keys: ["k1"], seen: 0 },
    { tenant: "b", keys: ["k0", "k2"], seen: 0 },
  ]);
  expect(await effects()).toEqual(["a k1", "b k0", "b k2"]);
});
