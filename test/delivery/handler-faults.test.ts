// What may go wrong between the stream and the effect, and what holds all the same.
import { setTimeout as sleep } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { newId } from "#runtime/ids.ts";
import { eventually, until } from "../support/until.ts";
import { eventType, labelsOf, probeWorld, productBytes, tenant, type ProbeWorld } from "./probe.ts";

let world: ProbeWorld;

beforeEach(async () => {
  world = await probeWorld();
});

afterEach(() => world.close());

const reasons = async (): Promise<string[]> =>
  (await world.advisories()).map((advisory) => String(advisory["reason"])).filter((reason) => reason.startsWith("dead-letter: "));

const redeliveries = async (): Promise<number> => {
  const manager = await jetstreamManager(world.connection);
  let deliveries = 0;
  for (const partition of [0, 1, 2]) {
    const info = await manager.consumers.info("EVENTS", `probe_p${partition}`);
    deliveries += info.delivered.consumer_seq;
  }
  return deliveries - (await manager.streams.info("EVENTS")).state.messages;
};

test("fault 11: a handler that takes longer than the ack wait has its effect once and is delivered once", async () => {
  let calls = 0;
  const probe = await world.start(async (label) => {
    if (label !== "slow") return;
    calls += 1;
    await sleep(6_500);
  });
  await probe.send({ key: "a", label: "slow" }, { key: "a", label: "next" });
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["slow", "next"]));
  expect(calls).toBe(1);
  expect(await redeliveries()).toBe(0);
});

test("fault 12: a hundred slow successes that were fetched at once are delivered once each, and none is a dead letter", async () => {
  const probe = await world.start(async () => {
    await sleep(80);
  });
  const labels = Array.from({ length: 100 }, (_, index) => `slow ${index}`);
  await probe.send(...labels.map((label) => ({ key: "a", label })));
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(labels), { timeoutMs: 40_000 });
  expect(await redeliveries()).toBe(0);
  expect(await reasons()).toEqual([]);
});

test("fault 17: an acknowledgement that comes after its event became a dead letter leaves its bytes in the stream", async () => {
  const probe = await world.start();
  const [id] = await probe.send({ key: "a", label: "refuse this" });
  await until(async () => (await reasons()).length === 1);
  const [advisory] = await world.advisories();
  const { stream_seq: sequence, deliveries, consumer_seq: consumerSequence } = advisory as Record<string, number>;
  // As the answer of an instance that had it in hand before: the subject of an acknowledgement says all of it.
  world.connection.publish(
    `$JS.ACK.EVENTS.${String(advisory?.["consumer"])}.${deliveries}.${sequence}.${consumerSequence}.0.0`,
    "+ACK",
  );
  await world.connection.flush();
  const kept = await (await jetstreamManager(world.connection)).streams.getMessage("EVENTS", { seq: sequence ?? 0 });
  expect(kept?.header.get("ce-id")).toBe(id);
  expect(kept?.data).toEqual(productBytes("a", "refuse this"));
});

test("an event larger than an event may be, from a stranger, is one dead letter at once, and others flow", async () => {
  const probe = await world.start();
  const large = { subject: `${eventType}.${tenant}.a`, payload: new Uint8Array(1_000_001), headers: { "ce-id": newId("evt") } };
  await world.publish(large);
  await probe.send({ key: "a", label: "fine" });
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["fine"]));
  await eventually(async () => expect(await reasons()).toEqual([expect.stringContaining("PAYLOAD_TOO_LARGE")]));
});

test("a dead letter that is discarded counts as handled without its handler, and its key goes on", async () => {
  const handled: string[] = [];
  const probe = await world.start((label) => {
    if (label === "poison") throw new Error("cannot be done");
    handled.push(label);
  });
  const [poison] = await probe.send({ key: "a", label: "poison" }, { key: "a", label: "behind" });
  await until(async () => (await reasons()).length === 2);
  const original = (await world.stored()).find((message) => message.headers?.get("ce-id") === poison);
  const discard = { "ce-id": poison ?? "", "ce-type": eventType, "ce-time": original?.headers?.get("ce-time") ?? "" };
  await world.publish({
    subject: `redrive.probe.${original?.subject}`,
    payload: original?.data ?? new Uint8Array(),
    headers: { ...discard, "Ordermesh-Discard": "nobody wants it" },
  });
  const behind = (await world.stored()).find((message) => message.string().includes("behind"));
  const parked = () => sql<{ event_id: string }>`select event_id from parked_event`.execute(probe.runtime.db);
  await until(async () => (await parked()).rows.length === 1);
  await world.publish({
    subject: `redrive.probe.${behind?.subject}`,
    payload: behind?.data ?? new Uint8Array(),
    headers: { "ce-id": behind?.headers?.get("ce-id") ?? "", "ce-type": eventType },
  });
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["behind"]));
  await probe.send({ key: "a", label: "later" });
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["behind", "later"]));
  expect(handled).not.toContain("poison");
});
