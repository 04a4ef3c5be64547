import { afterEach, beforeEach, expect, test } from "vitest";
import { sql } from "kysely";
import pg from "pg";
import { setClockOffset } from "#runtime/faults.ts";
import { applyDue, claimDue } from "#runtime/schedule/due-store.ts";
import { cancelDue, planDue } from "#runtime/schedule/due-work.ts";
import { rowsReadFrom } from "../support/rows-read.ts";
import { eventually, until } from "../support/until.ts";
import { probeWorld, tenant, type Probe, type ProbeTables, type ProbeWorld } from "./probe.ts";

let world: ProbeWorld;

beforeEach(async () => {
  world = await probeWorld();
});

afterEach(() => world.close());

/** Lets the planner know how few there are. */
async function analyzeDueWork(): Promise<void> {
  const owner = new pg.Client({ connectionString: world.databaseUrl });
  await owner.connect();
  await owner.query("analyze probe.due_work");
  await owner.end();
}

const keysOf = async (probe: Probe): Promise<string[]> => (await probe.effects()).map((effect) => effect.key);

test("planned work is done when it is due, not before, and once", async () => {
  const probe = await world.start();
  const startedMs = Date.now();
  await probe.plan({ key: "later", inMs: 700 }, { key: "now", inMs: 0 });
  await until(async () => (await keysOf(probe)).includes("now"));
  expect(await keysOf(probe)).toEqual(["now"]);
  await until(async () => (await keysOf(probe)).includes("later"));
  expect(Date.now() - startedMs).toBeGreaterThanOrEqual(700);
  expect(await probe.effects()).toMatchObject([{ label: "prepared now" }, { label: "prepared later" }]);
});

test("work that is taken back in time is not done; a second plan moves the first", async () => {
  const probe = await world.start();
  await probe.plan({ key: "gone", inMs: 300 }, { key: "moved", inMs: 300 });
  await probe.unplan("gone");
  await probe.plan({ key: "moved", inMs: 0 });
  await probe.plan({ key: "last", inMs: 600 });
  await until(async () => (await keysOf(probe)).includes("last"));
  expect(await keysOf(probe)).toEqual(["moved", "last"]);
});

test("work that fails is tried again and holds up nothing else", async () => {
  let failuresLeft = 2;
  const probe = await world.start((key) => {
    if (key === "flaky" && failuresLeft > 0) {
      failuresLeft -= 1;
      throw new Error("not yet");
    }
  });
  await probe.plan({ key: "flaky", inMs: 0 }, { key: "fine", inMs: 0 });
  await until(async () => (await keysOf(probe)).includes("fine"));
  await eventually(async () => expect((await keysOf(probe)).toSorted()).toEqual(["fine", "flaky"]));
});

test("two instances do the work once, and what was planned outlives them both", async () => {
  const [one, two] = [await world.start(), await world.start()];
  const keys = Array.from({ length: 300 }, (_, index) => `key${index}`);
  await one.plan(...keys.map((key) => ({ key, inMs: 0 })));
  await two.plan({ key: "tomorrow", inMs: 1_500 });
  await until(async () => (await keysOf(one)).length >= 300);
  await Promise.all([one.host.close(), two.host.close()]);
  const three = await world.start();
  await until(async () => (await keysOf(three)).includes("tomorrow"));
  expect((await keysOf(three)).toSorted()).toEqual([...keys, "tomorrow"].toSorted());
});

test.each([3_600_000, -3_600_000])("a process whose clock is off by %i ms plans no work an hour late", async (offsetMs) => {
  const probe = await world.start();
  setClockOffset(offsetMs);
  try {
    await probe.plan({ key: "now", inMs: 0 });
    await eventually(async () => expect(await keysOf(probe)).toEqual(["now"]));
  } finally {
    setClockOffset(0);
  }
});

test("a time that another service has named is kept, whatever the process's own clock says", async () => {
  const probe = await world.start();
  setClockOffset(3_600_000);
  try {
    const plannedMs = performance.now();
    const due = { at: new Date(Date.now() + 1_500) };
    const cause = { id: "req_test", traceparent: "" };
    await probe.runtime.transaction((tx) => planDue(tx, [{ kind: "probe.remind", tenant, key: "told", due, cause }]));
    await eventually(async () => expect(await keysOf(probe)).toEqual(["told"]));
    expect(performance.now() - plannedMs).toBeGreaterThan(1_300);
  } finally {
    setClockOffset(0);
  }
});

test("a claim does not look through all that is planned for later, and says when the first of it is due", async () => {
  const probe = await world.start();
  const rows = 20_000;
  await probe.runtime.transaction(async (tx) => {
    await sql`
      insert into due_work (id, kind, tenant_id, key, due_time, cause_id, traceparent)
      select 'due_' || number, 'later', ${tenant}, number::text, now() + make_interval(secs => 600 + number), 'req_test', ''
      from generate_series(1, ${rows}::integer) number`.execute(tx);
    await sql`update due_work set due_time = now() - interval '1 s' where key in ('1', '2')`.execute(tx);
  });
  const kinds = ["later"];
  const { claim, again, read } = await probe.runtime.transaction(async (tx) => {
    const before = await rowsReadFrom(tx, "due_work");
    const claim = await claimDue<ProbeTables>(tx, { kinds, itemsMax: 1 });
    const again = await claimDue<ProbeTables>(tx, { kinds, itemsMax: 50 });
    return { claim, again, read: (await rowsReadFrom(tx, "due_work")) - before };
  });
  expect(claim).toMatchObject({ claimed: [{ attempt: 1 }] });
  expect(claim.nextInMs).toBe(0);
  expect(again).toMatchObject({ claimed: [{ attempt: 1 }] });
  // Before the third row is due, the claims of the two end.
  expect(again.nextInMs).toBeGreaterThan(20_000);
  expect(again.nextInMs).toBeLessThanOrEqual(30_000);
  expect(read).toBeLessThan(100);
});

test("what was planned for a table that was nearly empty does not look through all of it when it has filled", async () => {
  const probe = await world.start();
  const [kind, rows, taken] = ["later", 3_000, 50];
  const insert = (first: number, last: number) => sql`
    insert into due_work (id, kind, tenant_id, key, due_time, cause_id, traceparent)
    select 'due_' || number, ${kind}, ${tenant}, number::text, now() + interval '1 h', 'req_test', ''
    from generate_series(${first}::integer, ${last}::integer) number`;
  await probe.runtime.transaction((tx) => insert(0, 0).execute(tx));
  await analyzeDueWork();
  const { read, left } = await probe.runtime.transaction(async (tx) => {
    await cancelDue(tx, kind, [{ tenant, key: "nobody's" }]);
    await insert(1, rows).execute(tx);
    const before = await rowsReadFrom(tx, "due_work");
    const items = Array.from({ length: taken }, (_, index) => ({ tenant, key: String(index + 1) }));
    await cancelDue(tx, kind, items);
    const read = (await rowsReadFrom(tx, "due_work")) - before;
    const left = await sql<{ count: number }>`select count(*)::integer as count from due_work`.execute(tx);
    return { read, left: left.rows[0]?.count };
  });
  expect(left).toBe(1 + rows - taken);
  // Each is found, and deleted.
  expect(read).toBeLessThanOrEqual(3 * taken);
});

test("what is done is taken out without a look at what is left", async () => {
  const probe = await world.start();
  const [kind, rows, done] = ["later", 3_000, 50];
  const work = { kind, apply: async () => {} };
  const item = (number: number) => {
    const row = {
      id: `due_${number}`,
      kind,
      tenant,
      key: String(number),
      dueTime: new Date(),
      attempt: 0,
      causeId: "req",
      traceparent: "",
    };
    return { row, prepared: undefined };
  };
  const insert = (first: number, last: number) => sql`
    insert into due_work (id, kind, tenant_id, key, due_time, cause_id, traceparent)
    select 'due_' || number, ${kind}, ${tenant}, number::text, now() + interval '1 h', 'req', ''
    from generate_series(${first}::integer, ${last}::integer) number`;
  await probe.runtime.transaction((tx) => insert(0, 0).execute(tx));
  await analyzeDueWork();
  const { read, left } = await probe.runtime.transaction(async (tx) => {
    const own = { transaction: <Result>(inside: (of: typeof tx) => Promise<Result>) => inside(tx) };
    const count = async (): Promise<number> => {
      const { rows: counted } = await sql<{ count: number }>`select count(*)::integer as count from due_work`.execute(tx);
      return counted[0]?.count ?? -1;
    };
    await applyDue<ProbeTables>(own, work, [item(0)]);
    await insert(1, rows).execute(tx);
    const before = await rowsReadFrom(tx, "due_work");
    await applyDue<ProbeTables>(
      own,
      work,
      Array.from({ length: done }, (_, index) => item(index + 1)),
    );
    return { read: (await rowsReadFrom(tx, "due_work")) - before, left: await count() };
  });
  expect(left).toBe(rows - done);
  expect(read).toBeLessThanOrEqual(2 * done);
});
