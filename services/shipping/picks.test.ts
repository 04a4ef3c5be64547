// The queue at the shelves: in turn, each parcel with one worker, and nothing read that is not answered.
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { PicksService, type Pick } from "#gen/ordermesh/shipping/v1/picks_service_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { newId } from "#runtime/ids.ts";
import { refusal } from "../../test/support/refusal.ts";
import { rowsReadFrom } from "../../test/support/rows-read.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { shipping } from "./main.ts";
import { readQueue } from "./store/picks.ts";
import type { Tables } from "./store/shipments.ts";

let fixture: ServiceFixture<Tables>;
let now = new Date("2026-03-01T12:00:00Z");
const pass = (seconds: number): void => {
  now = new Date(now.getTime() + seconds * 1_000);
};

beforeAll(async () => {
  const env = { ORDERMESH_CARRIERS: "STANDARD=external,EXPRESS=external" };
  fixture = await serviceFixture(shipping, { clock: { now: () => now }, env });
});
afterAll(() => fixture.close());
// Each test begins with an empty queue.
beforeEach(async () => {
  await sql`update shipment set pick_worker = 'before', pick_until = now(), pack_time = now() where pack_time is null`.execute(
    fixture.runtime.db,
  );
});

const picks = () => fixture.client(PicksService);
const idsOf = (found: readonly Pick[]): string[] => found.map(({ orderId }) => orderId);

/** The first is the oldest. */
async function waiting(...priorities: string[]): Promise<string[]> {
  const orderIds: string[] = [];
  for (const priority of priorities) {
    pass(1);
    const orderId = newId("ord");
    orderIds.push(orderId);
    await fixture.deliver(OrderReadySchema, { orderId, priority, lines: [{ sku: "MUG", quantity: 2n }] });
  }
  return orderIds;
}

async function pages(pageSize: number, between: () => Promise<unknown> = () => Promise.resolve()): Promise<string[]> {
  const found: string[] = [];
  let pageToken = "";
  do {
    const page = await picks().listPicks({ pageSize, pageToken });
    found.push(...idsOf(page.picks));
    pageToken = page.nextPageToken;
    await between();
  } while (pageToken !== "");
  return found;
}

test("RUSH comes first, then the oldest, whatever the size of the pages", async () => {
  const [a = "", b = "", c = "", d = "", e = ""] = await waiting("", "RUSH", "NORMAL", "RUSH", "LATER");
  for (const pageSize of [1, 2, 3, 50]) expect(await pages(pageSize)).toEqual([b, d, a, c, e]);
  const { picks: listed } = await picks().listPicks({ pageSize: 1 });
  expect(listed).toMatchObject([{ orderId: b, priority: "RUSH", lines: [{ sku: "MUG", quantity: 2n }], worker: "" }]);
  expect((await fixture.client(ShippingService).getShipment({ orderId: e })).shipment?.priority).toBe("NORMAL");
});

test("what leaves between two pages shifts none: nothing is missed, and nothing comes twice", async () => {
  const orderIds = await waiting("", "", "", "", "", "");
  let left = 0;
  const found = await pages(2, async () => {
    // The first of those that were shown.
    await fixture.client(ShippingService).stopShipment({ orderId: orderIds[left] ?? "", reason: "BUYER" });
    left += 1;
  });
  expect(found).toEqual(orderIds);
});

test.each(["!", "ZGVtb3xldmls", Buffer.from("demo|RUSH.x.ord_1").toString("base64url")])(
  "the page token %s is refused",
  async (pageToken) => {
    expect(await refusal(picks().listPicks({ pageToken }))).toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
  },
);

test("20 workers at once get different parcels, and each gets the same again", async () => {
  const orderIds = await waiting(...Array.from({ length: 20 }, () => ""));
  const claimAll = () =>
    Promise.all(Array.from({ length: 20 }, (_, index) => picks().claimPicks({ worker: `w${index}`, count: 1 })));
  const first = (await claimAll()).map((answer) => idsOf(answer.picks));
  expect(first.flat().toSorted()).toEqual(orderIds.toSorted());
  expect((await claimAll()).map((answer) => idsOf(answer.picks))).toEqual(first);
  expect((await picks().claimPicks({ worker: "late" })).picks).toEqual([]);
});

test("a worker who asks ten times at once has no more than it asked for, the first in turn", async () => {
  const [normal = "", rush = ""] = await waiting("", "RUSH", "", "");
  const answers = await Promise.all(Array.from({ length: 10 }, () => picks().claimPicks({ worker: "w", count: 2 })));
  for (const answer of answers) expect(idsOf(answer.picks)).toEqual([rush, normal]);
  const { picks: more } = await picks().claimPicks({ worker: "w", count: 3, leaseSeconds: 60 });
  expect(more).toHaveLength(3);
  // What it had keeps the time that it had.
  const leases = more.map(({ leaseTime }) => Number(leaseTime?.seconds ?? 0n) - Math.floor(now.getTime() / 1_000));
  expect(leases).toEqual([600, 600, 60]);
});

test("a claim that is over goes to the next worker, and who had it cannot pack any more", async () => {
  const [orderId = ""] = await waiting("");
  await picks().claimPicks({ worker: "slow", leaseSeconds: 30 });
  expect((await picks().claimPicks({ worker: "next" })).picks).toEqual([]);
  pass(30);
  expect(idsOf((await picks().claimPicks({ worker: "next" })).picks)).toEqual([orderId]);
  expect(await refusal(picks().packPick({ orderId, worker: "slow" }))).toMatchObject({ reason: "PICK_NOT_CLAIMED" });
  const { pick } = await picks().packPick({ orderId, worker: "next" });
  expect(pick?.packTime).toBeDefined();
  pass(5);
  expect((await picks().packPick({ orderId, worker: "next" })).pick).toEqual(pick);
  expect(await pages(50)).toEqual([]);
});

test("a worker that is late packs what nobody else has claimed since", async () => {
  const [orderId = ""] = await waiting("");
  await picks().claimPicks({ worker: "slow", leaseSeconds: 30 });
  pass(3_600);
  expect((await picks().packPick({ orderId, worker: "slow" })).pick?.worker).toBe("slow");
});

test("a parcel that was stopped is neither claimed nor packed, and an unknown one is not there", async () => {
  const [claimed = "", waitsOn = ""] = await waiting("", "");
  await picks().claimPicks({ worker: "w" });
  for (const orderId of [claimed, waitsOn]) await fixture.client(ShippingService).stopShipment({ orderId, reason: "BUYER" });
  expect(await refusal(picks().packPick({ orderId: claimed, worker: "w" }))).toMatchObject({ reason: "SHIPMENT_STOPPED" });
  expect((await picks().claimPicks({ worker: "w" })).picks).toEqual([]);
  expect(await refusal(picks().packPick({ orderId: newId("ord"), worker: "w" }))).toMatchObject({ reason: "SHIPMENT_NOT_FOUND" });
});

test.each([
  { worker: "", count: 1 },
  { worker: "Ada Lovelace", count: 1 },
  { worker: "w", count: 21 },
  { worker: "w", leaseSeconds: 29 },
])("%o is refused", async (request) => {
  expect(await refusal(picks().claimPicks(request))).toMatchObject({ reason: "INVALID_ARGUMENT" });
});

test("a page reads as many rows as it shows, among thousands that have left and that wait", async () => {
  const { db, transaction } = fixture.runtime;
  await sql`
    insert into shipment (tenant_id, order_id, shipment_id, state, method, carrier, tracking_number, ready_event_id, stop_reason,
      create_time, dispatch_time, event_count)
    select 'demo', 'ord_' || n, 'shp_' || n, case when n % 2 = 0 then 'CREATED' else 'DISPATCHED' end, 'STANDARD', 'external', n::text,
      'evt', '', now() - interval '1 day', case when n % 2 = 1 then now() end, 1 + n % 2
    from generate_series(1, 4000) n`.execute(db);
  await sql`analyze shipment`.execute(db);
  const read = await transaction(async (tx) => {
    const before = await rowsReadFrom(tx, "shipment");
    const page = await readQueue(tx, { tenant: "demo", after: undefined, rowsMax: 10 });
    const last = page.at(-1);
    const after = last && { isRush: false, createTime: last.createTime, orderId: last.orderId, parcel: 1 };
    expect(await readQueue(tx, { tenant: "demo", after, rowsMax: 10 })).toHaveLength(10);
    return (await rowsReadFrom(tx, "shipment")) - before;
  });
  expect(read).toBeLessThanOrEqual(21);
  await sql`delete from shipment where ready_event_id = 'evt'`.execute(db);
});
