// Which of many events a service has not handled.
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findUnhandled } from "#runtime/delivery/delivery-store.ts";
import { rowsReadFrom } from "../support/rows-read.ts";
import { probeWorld, type Probe, type ProbeTables, type ProbeWorld } from "./probe.ts";

const dayMs = 86_400_000;
const now = new Date();
const yesterday = new Date(now.getTime() - dayMs);

let world: ProbeWorld;
let probe: Probe;

beforeAll(async () => {
  world = await probeWorld();
  probe = await world.start();
  await probe.runtime.transaction(async (tx) => {
    await sql`
      insert into inbox (event_id, event_time, stream_sequence)
      select 'evt_' || number, case when number = 2 then ${yesterday}::timestamptz else ${now}::timestamptz end, number
      from generate_series(1, 3000) number`.execute(tx);
    await sql`
      insert into parked_event (event_id, tenant_id, key, partition, stream_sequence, attempts, code, message)
      select event_id, 'demo', 'key', 0, 9000, 1, 'HANDLER_FAILED', 'it does not'
      from unnest(array['evt_parked', 'evt_3']) event_id`.execute(tx);
  });
});

afterAll(() => world.close());

const unhandled = async (eventIds: readonly string[]): Promise<string[]> =>
  (await probe.runtime.transaction((tx) => findUnhandled<ProbeTables>(tx, { eventIds, earliest: now, latest: now }))).toSorted();

test("what was handled is left out, also where it was under another time", async () => {
  expect(await unhandled(["evt_1", "evt_2"])).toEqual([]);
});

test("what is held back, and what nobody knows, is answered once", async () => {
  expect(await unhandled(["evt_1", "evt_nobody", "evt_parked", "evt_nobody"])).toEqual(["evt_nobody", "evt_parked"]);
});

test("what is held back was not handled, whatever the inbox says", async () => {
  expect(await unhandled(["evt_3"])).toEqual(["evt_3"]);
});

test("of nothing nothing is answered", async () => {
  expect(await unhandled([])).toEqual([]);
});

test("it reads the rows of the events and no others", async () => {
  const eventIds = Array.from({ length: 50 }, (_, index) => `evt_${10 + index}`);
  const read = await probe.runtime.transaction(async (tx) => {
    const before = await rowsReadFrom(tx, "inbox");
    expect(await findUnhandled<ProbeTables>(tx, { eventIds, earliest: now, latest: now })).toEqual([]);
    return (await rowsReadFrom(tx, "inbox")) - before;
  });
  expect(read).toBeLessThanOrEqual(eventIds.length);
});
