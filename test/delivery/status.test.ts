import { afterEach, beforeEach, expect, test } from "vitest";
import { sql } from "kysely";
import { readDeliveryStatus } from "#runtime/delivery/delivery-store.ts";
import { rowsReadFrom } from "../support/rows-read.ts";
import { writeOutbox, writePublished } from "./outbox-rows.ts";
import { probeWorld, type ProbeTables, type ProbeWorld } from "./probe.ts";

let world: ProbeWorld;

beforeEach(async () => {
  world = await probeWorld();
});

afterEach(() => world.close());

test("what waits to be published is counted without a look at what was", async () => {
  const { runtime } = await world.start();
  await writePublished(runtime, 5_000);
  const { status, read } = await runtime.transaction(async (tx) => {
    await writeOutbox(2).execute(tx);
    const before = await rowsReadFrom(tx, "outbox");
    const status = await readDeliveryStatus<ProbeTables>(tx);
    const read = (await rowsReadFrom(tx, "outbox")) - before;
    await sql`delete from outbox where xid = pg_current_xact_id()`.execute(tx);
    return { status, read };
  });
  expect(status).toMatchObject({ unpublished: 2, oldestUnpublishedTime: expect.any(Date) });
  expect(read).toBeLessThan(20);
});
