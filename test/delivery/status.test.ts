import { afterEach, beforeEach, expect, test } from "vitest";
import { sql } from "kysely";
import { readDeliveryStatus } from "#runtime/delivery/delivery-store.ts";
import { rowsReadFrom } from "../support/rows-read.ts";
import { probeWorld, tenant, type ProbeTables, type ProbeWorld } from "./probe.ts";

let world: ProbeWorld;

beforeEach(async () => {
  world = await probeWorld();
});

afterEach(() => world.close());

test("what waits to be published is counted without a look at what was", async () => {
  const { runtime } = await world.start();
  const write = (count: number) => sql`
    insert into outbox (event_id, type_name, tenant_id, key, sequence, event_time, cause_id, traceparent, payload)
    select 'evt_' || number, 'some.type', ${tenant}, number::text, 1, now(), 'req_test', '', ''
    from generate_series(1, ${count}::integer) number`;
  await runtime.transaction(async (tx) => {
    await write(5_000).execute(tx);
    await sql`update relay_cursor set xid = pg_current_xact_id(), id = (select max(id) from outbox)`.execute(tx);
  });
  const { status, read } = await runtime.transaction(async (tx) => {
    await write(2).execute(tx);
    const before = await rowsReadFrom(tx, "outbox");
    const status = await readDeliveryStatus<ProbeTables>(tx);
    const read = (await rowsReadFrom(tx, "outbox")) - before;
    await sql`delete from outbox where xid = pg_current_xact_id()`.execute(tx);
    return { status, read };
  });
  expect(status).toMatchObject({ unpublished: 2, oldestUnpublishedTime: expect.any(Date) });
  expect(read).toBeLessThan(20);
});
