import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, type OutgoingEvent } from "#runtime/events/outgoing.ts";
import { newId } from "#runtime/ids.ts";
import { eventually, until } from "../support/until.ts";
import { eventType, labelsOf, probeWorld, productBytes, tenant, type Probe, type ProbeWorld } from "./probe.ts";

let world: ProbeWorld;

beforeEach(async () => {
  world = await probeWorld();
});

afterEach(() => world.close());

const deadLetters = async (): Promise<{ reason: string; streamSequence: number }[]> =>
  (await world.advisories())
    .filter((advisory) => String(advisory["reason"]).startsWith("dead-letter: "))
    .map((advisory) => ({ reason: String(advisory["reason"]), streamSequence: Number(advisory["stream_seq"]) }));

const attributes = (id: string, type = eventType): Record<string, string> => ({
  "ce-id": id,
  "ce-type": type,
  "ce-time": new Date().toISOString(),
});

test("every event has its effect once, and those of one key in order", async () => {
  const probe = await world.start();
  const keys = Array.from({ length: 50 }, (_, index) => `key${index}`);
  for (let round = 0; round < 10; round += 1) await probe.send(...keys.map((key) => ({ key, label: `round ${round}` })));
  await until(async () => (await probe.effects()).length >= 500);
  const effects = await probe.effects();
  expect(effects.length).toBe(500);
  expect(new Set(effects.map((effect) => effect.eventId)).size).toBe(500);
  const expected = Array.from({ length: 10 }, (_, round) => `round ${round}`);
  for (const key of keys) expect(effects.filter((effect) => effect.key === key).map((effect) => effect.label)).toEqual(expected);
});

test("an event that fails is tried again after each delay, and later events of its key wait for it", async () => {
  let failuresLeft = 2;
  const probe = await world.start((label) => {
    if (label === "flaky" && failuresLeft > 0) {
      failuresLeft -= 1;
      throw new Error("not yet");
    }
  });
  await probe.send(
    { key: "a", label: "first" },
    { key: "a", label: "flaky" },
    { key: "a", label: "last" },
    { key: "b", label: "other" },
  );
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["first", "flaky", "last"]));
  expect(await labelsOf(probe, "b")).toEqual(["other"]);
  expect(await deadLetters()).toEqual([]);
  const { rows } = await sql<{ attempts: number }>`select attempts from inbox order by attempts`.execute(probe.runtime.db);
  // It is counted how often an event was delivered: where it fails among others it is tried once more at once, by itself.
  expect(rows.map(({ attempts }) => attempts)).toEqual([1, 1, 1, expect.toSatisfy((attempts: number) => attempts > 1)]);
});

test("after the last attempt an event is a dead letter with its reason; its key waits behind it and others go on", async () => {
  let attempts = 0;
  const probe = await world.start((label) => {
    if (label !== "poison") return;
    attempts += 1;
    throw new Error("cannot be done");
  });
  await probe.send({ key: "a", label: "poison" }, { key: "a", label: "behind" }, { key: "b", label: "free" });
  await eventually(async () => expect((await deadLetters()).length).toBe(2));
  expect((await deadLetters()).map((letter) => letter.reason)).toEqual([
    "dead-letter: HANDLER_FAILED: cannot be done",
    expect.stringContaining("dead-letter: KEY_PARKED: "),
  ]);
  // Once or more in the batch that is then split, and four times alone.
  expect(attempts).toBeGreaterThanOrEqual(4);
  expect(await labelsOf(probe, "a")).toEqual([]);
  expect(await labelsOf(probe, "b")).toEqual(["free"]);
  await probe.send({ key: "a", label: "later" });
  await eventually(async () => expect((await deadLetters()).length).toBe(3));
});

test("parked events that are sent again to their consumer are handled in sequence, and their key is free afterwards", async () => {
  let broken = true;
  const probe = await world.start((label) => {
    if (label === "poison" && broken) throw new Error("cannot be done");
  });
  const [poison, behind] = await probe.send({ key: "a", label: "poison" }, { key: "a", label: "behind" });
  await eventually(async () => expect((await deadLetters()).length).toBe(2));
  broken = false;
  const stored = await world.stored();
  const redrive = async (id: string | undefined): Promise<void> => {
    const original = stored.find((message) => message.headers?.get("ce-id") === id);
    if (!original || !id) throw new Error("the original is not in the stream");
    await world.publish({ subject: `redrive.probe.${original.subject}`, payload: original.data, headers: attributes(id) });
  };
  await redrive(behind);
  await eventually(async () => expect((await deadLetters()).at(-1)?.reason).toContain("REDRIVE_TOO_EARLY"));
  await redrive(poison);
  await redrive(behind);
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["poison", "behind"]));
  await probe.send({ key: "a", label: "afterwards" });
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["poison", "behind", "afterwards"]));
});

test("a refused event is a dead letter at once, without retries", async () => {
  let attempts = 0;
  const probe = await world.start((label) => {
    if (label.startsWith("refuse")) attempts += 1;
  });
  await probe.send({ key: "a", label: "refuse me" });
  await eventually(async () => expect((await deadLetters())[0]?.reason).toBe("dead-letter: REFUSED_FOR_TEST: the label says so"));
  expect(attempts).toBe(1);
});

test.each([
  {
    name: "bytes that are no message",
    code: "PAYLOAD_MALFORMED",
    subject: `${eventType}.${tenant}.a`,
    payload: new Uint8Array([255, 255, 255]),
    headers: attributes("evt_1"),
  },
  {
    name: "an id that fits no index",
    code: "ID_INVALID",
    subject: `${eventType}.${tenant}.a`,
    payload: productBytes("a", "x"),
    headers: attributes("x".repeat(12_000)),
  },
  {
    name: "a version that nobody knows",
    code: "VERSION_UNKNOWN",
    subject: `ordermesh.catalog.events.v9.ProductCreated.${tenant}.a`,
    payload: productBytes("a", "x"),
    headers: attributes("evt_2", "ordermesh.catalog.events.v9.ProductCreated"),
  },
  { name: "no id", code: "ID_MISSING", subject: `${eventType}.${tenant}.a`, payload: productBytes("a", "x"), headers: {} },
  {
    name: "a type that the subject contradicts",
    code: "TYPE_MISMATCH",
    subject: `${eventType}.${tenant}.a`,
    payload: productBytes("a", "x"),
    headers: attributes("evt_3", "ordermesh.catalog.events.v1.Other"),
  },
])("$name: one dead letter at once, no loop, and others go on", async ({ code, subject, payload, headers }) => {
  const probe = await world.start();
  await world.publish({ subject, payload, headers });
  await probe.send({ key: "b", label: "fine" });
  await eventually(async () => expect(await labelsOf(probe, "b")).toEqual(["fine"]));
  await eventually(async () =>
    expect((await deadLetters()).map((letter) => letter.reason)).toEqual([expect.stringContaining(code)]),
  );
});

test.each([
  { name: "a time that PostgreSQL cannot hold", time: "+275760-09-13T00:00:00.000Z" },
  { name: "a time that is none", time: "yesterday" },
  { name: "no time", time: "" },
])("an event with $name is handled, once however often it is published", async ({ time }) => {
  const probe = await world.start();
  const headers = { "ce-id": newId("evt"), "ce-type": eventType, ...(time ? { "ce-time": time } : {}) };
  const event = { subject: `${eventType}.${tenant}.a`, payload: productBytes("a", "odd time"), headers };
  await world.publish(event);
  await world.publish(event);
  await probe.send({ key: "a", label: "after" });
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["odd time", "after"]));
  expect(await deadLetters()).toEqual([]);
});

test("an event that was delivered as often as the server will is a dead letter, not waited for without end", async () => {
  const behave = (label: string): void => {
    if (label === "poison") throw new Error("cannot be done");
  };
  // More retries than the server has deliveries, as after restarts, when an instance begins to count anew.
  const probe = await world.start(behave, { retryDelaysMs: Array.from({ length: 40 }, () => 20) });
  await probe.send({ key: "a", label: "poison" }, { key: "a", label: "later" });
  await eventually(async () => expect((await deadLetters()).length).toBe(2));
  expect((await deadLetters())[0]?.reason).toContain("HANDLER_FAILED");
});

test("an event that is published twice has one effect", async () => {
  const probe = await world.start();
  const id = newId("evt");
  const event = { subject: `${eventType}.${tenant}.a`, payload: productBytes("a", "twice"), headers: attributes(id) };
  await world.publish(event);
  await world.publish(event);
  await probe.send({ key: "a", label: "after" });
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["twice", "after"]));
});

test("fault 4: a transaction that began early and committed late is not skipped", async () => {
  const probe = await world.start();
  const late = Promise.withResolvers<void>();
  const written = Promise.withResolvers<void>();
  const slow = probe.runtime.transaction(async (tx) => {
    await sql`insert into effect (event_id, key, label) values ('none', 'none', 'takes a transaction id')`.execute(tx);
    written.resolve();
    await late.promise;
  });
  await written.promise;
  await probe.send({ key: "a", label: "quick" });
  // While the older transaction is open the newer row must wait: what the older writes would come before it.
  const state = await until(() => probe.host.health.refresh());
  expect(state.ready).toBe(true);
  expect(await world.stored()).toEqual([]);
  late.resolve();
  await slow;
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["quick"]));
});

describe("of two transactions about one key, what was written first is told first, also when the other began earlier", () => {
  const event = (key: string, label: string, sequence = 1): OutgoingEvent =>
    outgoing(
      ProductCreatedSchema,
      { productId: key, title: label },
      { tenant, sequence, time: new Date(), cause: { id: "req_test", traceparent: "" } },
    );

  /** A transaction that has written one event and waits, then writes another. */
  async function waiting(probe: Probe, first: OutgoingEvent, later: OutgoingEvent[]) {
    const [began, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const ended = probe.runtime.transaction(async (tx) => {
      // An event travels with the commit; the id is to be taken now.
      await sql`select pg_current_xact_id()`.execute(tx);
      await appendEvents(tx, [first]);
      began.resolve();
      await goOn.promise;
      await appendEvents(tx, later);
    });
    await began.promise;
    return async () => {
      goOn.resolve();
      await ended;
    };
  }

  test("where nothing else is open", async () => {
    const probe = await world.start();
    // Takes its transaction's id first, as a consumer does by its inbox, and writes last.
    const endEarly = await waiting(probe, event("b", "other"), [event("a", "second", 2)]);
    await probe.runtime.transaction((tx) => appendEvents(tx, [event("a", "first")]));
    await endEarly();
    await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["first", "second"]));
  });

  test("where a transaction that began between them is open still", async () => {
    const probe = await world.start();
    const endEarly = await waiting(probe, event("b", "other"), [event("a", "second", 2)]);
    const endBetween = await waiting(probe, event("c", "between"), []);
    await probe.runtime.transaction((tx) => appendEvents(tx, [event("a", "first")]));
    await endEarly();
    // What nothing older stands behind goes out.
    await until(async () => (await labelsOf(probe, "b")).length === 1);
    expect(await labelsOf(probe, "a")).toEqual([]);
    await endBetween();
    await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["first", "second"]));
  });
});

test("two instances share the partitions; when one leaves, the other goes on with its work and its order", async () => {
  const one = await world.start();
  const two = await world.start();
  const keys = Array.from({ length: 30 }, (_, index) => `key${index}`);
  await one.send(...keys.map((key) => ({ key, label: "shared" })));
  await until(async () => (await one.effects()).length === 30);
  await two.host.close();
  await one.send(...keys.map((key) => ({ key, label: "alone" })));
  await until(async () => (await one.effects()).length === 60);
  for (const key of keys) expect(await labelsOf(one, key)).toEqual(["shared", "alone"]);
});
