// What may go wrong between a commit and the stream, and what holds all the same.
import { jetstreamManager, type JetStreamManager } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { createClient } from "@connectrpc/connect";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { sql } from "kysely";
import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DeliveryService } from "#gen/ordermesh/delivery/v1/delivery_service_pb.ts";
import { createTestDatabase } from "../support/database.ts";
import { failingNats } from "../support/nats.ts";
import { serviceTransport } from "../support/identity.ts";
import { eventually, until } from "../support/until.ts";
import { labelsOf, probeWorld, type Probe, type ProbeWorld } from "./probe.ts";

let world: ProbeWorld;
let manager: JetStreamManager;

beforeEach(async () => {
  world = await probeWorld();
  manager = await jetstreamManager(world.connection);
});

afterEach(() => world.close());

const delivery = (probe: Probe) => createClient(DeliveryService, serviceTransport(`http://127.0.0.1:${probe.host.rpcPort}`));

const storedLabels = async (): Promise<number> => (await world.stored()).length;

test("fault 3: events that are published again after the de-duplication window have one effect each", async () => {
  const nats = await failingNats();
  const own = await probeWorld(nats);
  try {
    const probe = await own.start();
    await (await jetstreamManager(own.connection)).streams.update("EVENTS", { duplicate_window: nanos(100) });
    await probe.send({ key: "a", label: "one" }, { key: "a", label: "two" }, { key: "b", label: "three" });
    await until(async () => (await probe.effects()).length === 3);
    // A server that starts anew remembers the ids of its window only, which is over by then.
    await nats.pause();
    await nats.resume();
    await until(() => own.connection.rtt());
    const { events } = await delivery(probe).republishEvents({ service: "probe", sinceTime: timestampFromDate(new Date(0)) });
    expect(events).toBe(3n);
    // More than six if the relay had sent, and not yet noted, what it then sends again.
    await until(async () => (await own.stored()).length >= 6);
    await probe.send({ key: "a", label: "afterwards" }, { key: "b", label: "afterwards" });
    await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["one", "two", "afterwards"]));
    await eventually(async () => expect(await labelsOf(probe, "b")).toEqual(["three", "afterwards"]));
  } finally {
    await own.close();
  }
});

test("republish since a time sends what was written then or later, and nothing older", async () => {
  const probe = await world.start();
  await probe.send({ key: "a", label: "old" });
  await until(async () => (await storedLabels()) === 1);
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(probe.runtime.db);
  const since = new Date((rows[0]?.now ?? new Date()).getTime() + 1);
  await until(
    async () => (await sql<{ ok: boolean }>`select clock_timestamp() > ${since} as ok`.execute(probe.runtime.db)).rows[0]?.ok,
  );
  await probe.send({ key: "a", label: "new" });
  await until(async () => (await storedLabels()) === 2);
  const { events } = await delivery(probe).republishEvents({ service: "probe", sinceTime: timestampFromDate(since) });
  expect(events).toBe(1n);
});

test("fault 5: a write transaction in another database holds events back, shows as lag, and skips none", async () => {
  const probe = await world.start();
  const other = await createTestDatabase();
  const slow = new pg.Client({ connectionString: other.url });
  await slow.connect();
  try {
    await slow.query("create table elsewhere (id integer)");
    await slow.query("begin");
    await slow.query("insert into elsewhere values (1)");
    await probe.send({ key: "a", label: "held back" });
    await until(async () => {
      const text = await (await fetch(`http://127.0.0.1:${probe.host.rpcPort}/metrics`)).text();
      return Number(/ordermesh_relay_lag_seconds\{service="probe"\} ([\d.]+)/.exec(text)?.[1]) > 0.5;
    });
    expect(await storedLabels()).toBe(0);
    const { unpublished } = await delivery(probe).getDeliveryStatus({ service: "probe" });
    expect(unpublished).toBe(1n);
    await slow.query("commit");
    await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["held back"]));
  } finally {
    await slow.end();
    await other.drop();
  }
});

test("fault 6: a relay whose lease has gone to another moves nothing any more", async () => {
  const probe = await world.start();
  await probe.send({ key: "a", label: "before" });
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["before"]));
  interface Seen {
    holder: string;
    position: string;
  }
  const look = async (): Promise<Seen> => {
    const { rows } = await sql<Seen>`
      select holder, relay_cursor.xid || '/' || id as position from lease, relay_cursor where name = 'relay'`.execute(
      probe.runtime.db,
    );
    return rows[0] ?? { holder: "", position: "" };
  };
  await until(async () => (await delivery(probe).getDeliveryStatus({ service: "probe" })).unpublished === 0n);
  const before = await look();
  // As if this instance had slept past its lease and another had taken it over.
  await sql`update lease set holder = 'another', epoch = epoch + 1, expire_time = now() + interval '3 seconds' where name = 'relay'`.execute(
    probe.runtime.db,
  );
  await probe.send({ key: "a", label: "meanwhile" });
  await until(async () => {
    const seen = await look();
    if (seen.holder === "another") expect(seen.position).toBe(before.position);
    return seen.holder !== "another";
  });
  // Its successor goes on from where it stood; what was published twice has one effect.
  await until(async () => (await delivery(probe).getDeliveryStatus({ service: "probe" })).unpublished === 0n);
  await probe.send({ key: "a", label: "after" });
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["before", "meanwhile", "after"]));
});

test("fault 7: of two relays that start together one works, and the order per key holds", async () => {
  const [one] = await Promise.all([world.start(), world.start()]);
  const rounds = Array.from({ length: 20 }, (_, round) => `round ${round}`);
  for (const label of rounds) await one.send({ key: "a", label }, { key: "b", label });
  await eventually(async () => expect(await labelsOf(one, "a")).toEqual(rounds));
  await eventually(async () => expect(await labelsOf(one, "b")).toEqual(rounds));
  const held = await sql`select 1 from lease where name = 'relay' and expire_time > now()`.execute(one.runtime.db);
  expect(held.rows.length).toBe(1);
});

test("fault 8: while the stream is full the outbox keeps every event, commands commit, and all go out once there is room", async () => {
  const probe = await world.start();
  await probe.send({ key: "a", label: "0" });
  await until(async () => (await storedLabels()) === 1);
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["0"]));
  await manager.streams.update("EVENTS", { max_msgs: 1 });
  for (const label of ["1", "2", "3"]) await probe.send({ key: "a", label });
  await until(async () => (await delivery(probe).getDeliveryStatus({ service: "probe" })).unpublished === 3n);
  expect(await labelsOf(probe, "a")).toEqual(["0"]);
  await manager.streams.update("EVENTS", { max_msgs: -1 });
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["0", "1", "2", "3"]));
});

test("fault 9: an event that NATS would never take is set aside with its key, others flow, and it goes out when it may", async () => {
  const probe = await world.start();
  await manager.streams.update("EVENTS", { max_msg_size: 2_000 });
  await probe.send({ key: "a", label: "x".repeat(3_000) }, { key: "a", label: "behind" }, { key: "b", label: "free" });
  await eventually(async () => expect(await labelsOf(probe, "b")).toEqual(["free"]));
  const unsent = async () => (await delivery(probe).getDeliveryStatus({ service: "probe" })).unsent;
  await eventually(async () => expect((await unsent()).map(({ code }) => code)).toEqual(["PAYLOAD_TOO_LARGE", "KEY_UNSENT"]));
  await probe.send({ key: "a", label: "later" }, { key: "b", label: "still free" });
  await eventually(async () => expect(await labelsOf(probe, "b")).toEqual(["free", "still free"]));
  expect(await labelsOf(probe, "a")).toEqual([]);
  const [first] = await unsent();
  const retry = () => delivery(probe).resolveUnsentEvent({ service: "probe", eventId: first?.eventId ?? "", discard: false });
  // Asked too early it is set aside again, in its place.
  await retry();
  await eventually(async () => expect((await unsent()).length).toBe(3));
  expect((await unsent())[0]?.eventId).toBe(first?.eventId);
  await manager.streams.update("EVENTS", { max_msg_size: -1 });
  await retry();
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["x".repeat(3_000), "behind", "later"]));
  expect(await unsent()).toEqual([]);
});

test("an event that cannot be published and is given up lets its key go on", async () => {
  const probe = await world.start();
  await manager.streams.update("EVENTS", { max_msg_size: 2_000 });
  await probe.send({ key: "a", label: "x".repeat(3_000) }, { key: "a", label: "behind" });
  const unsent = async () => (await delivery(probe).getDeliveryStatus({ service: "probe" })).unsent;
  await eventually(async () => expect((await unsent()).length).toBe(2));
  await delivery(probe).resolveUnsentEvent({ service: "probe", eventId: (await unsent())[0]?.eventId ?? "", discard: true });
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["behind"]));
  await probe.send({ key: "a", label: "later" });
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["behind", "later"]));
});
