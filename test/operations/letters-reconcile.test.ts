import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DeadLetterSource, DeadLetterState, type DeadLetter } from "#gen/ordermesh/operations/v1/dead_letter_pb.ts";
import { newId } from "#runtime/ids.ts";
import { readAdvisory } from "../../services/operations/tasks/advisories.ts";
import { eventType, productBytes, tenant, type Probe } from "../delivery/probe.ts";
import { until } from "../support/until.ts";
import { by, lettersIn, lettersOf, lettersWorld, type LettersWorld, type Operations } from "./letters-world.ts";

const { OPEN, RESOLVED } = DeadLetterState;

let world: LettersWorld;

beforeEach(async () => {
  world = await lettersWorld();
});

afterEach(() => world.close());

const attributes = (id: string): Record<string, string> => ({
  "ce-id": id,
  "ce-type": eventType,
  "ce-time": new Date().toISOString(),
});

const cause = ({ code, message, key, failures, attempts }: DeadLetter) => ({ code, message, key, failures, attempts });

async function sendTrouble(probe: Probe): Promise<void> {
  await probe.send(
    { key: "a", label: "poison" },
    { key: "a", label: "behind" },
    { key: "b", label: "refuse me" },
    { key: "c", label: "fine" },
  );
  const payload = new Uint8Array([255, 255]);
  await world.publish({ subject: `${eventType}.${tenant}.d`, payload, headers: attributes(newId("evt")) });
  await world.publish({ subject: `${eventType}.${tenant}.e`, payload: productBytes("e", "x"), headers: {} });
  await until(async () => (await probe.effects()).length === 1);
  await until(async () => {
    const { rows } = await sql<{ parked: number }>`select count(*) as parked from parked_event`.execute(probe.runtime.db);
    return rows[0]?.parked === 3;
  });
}

const failing = (label: string): void => {
  if (label === "poison") throw new Error("cannot be done");
};

/** Waits until the reconciler has gone so many times through everything. */
async function pass({ host }: Operations, times: number): Promise<void> {
  const passes = async (): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${host.rpcPort}/metrics`)).text();
    return Number(/^ordermesh_reconcile_passes_total (\d+)$/m.exec(text)?.[1] ?? 0);
  };
  const before = await passes();
  await until(async () => (await passes()) >= before + times);
}

test("fault 16: what fails while no advisory is kept becomes the same letters, found by the reconciler", async () => {
  const probe = await world.start(failing);
  const manager = await jetstreamManager(world.connection);
  await manager.streams.delete("ADVISORIES");
  await sendTrouble(probe);
  const operating = await world.operate(probe);
  // Operations has made the stream again, but of what went before it there is no advisory.
  const letters = await lettersIn(operating, OPEN, 5);
  expect(letters.every(({ source }) => source === DeadLetterSource.RECONCILER)).toBe(true);
  expect(letters.map(cause).toSorted((one, other) => one.key.localeCompare(other.key))).toMatchObject([
    { code: "HANDLER_FAILED", message: "cannot be done", attempts: 4, failures: 1 },
    { code: "KEY_PARKED" },
    { code: "REFUSED_FOR_TEST" },
    { code: "PAYLOAD_MALFORMED" },
    { code: "ID_MISSING" },
  ]);
  expect((await lettersOf(operating)).length).toBe(5);
});

test("what both the advisories and the reconciler tell of is one letter", async () => {
  const probe = await world.start(failing);
  await sendTrouble(probe);
  const operating = await world.operate(probe);
  await lettersIn(operating, OPEN, 5);
  await pass(operating, 4);
  expect((await lettersOf(operating)).length).toBe(5);
});

test("fault 15: an event whose last delivery was handed back while its worker was gone is found, and one in flight is not", async () => {
  const probe = await world.start();
  await probe.send({ key: "a", label: "before" });
  await until(async () => (await probe.effects()).length === 1);
  await probe.host.close();
  const id = newId("evt");
  await world.publish({ subject: `${eventType}.${tenant}.a`, payload: productBytes("a", "last"), headers: attributes(id) });
  const [stored] = (await world.stored()).filter((message) => message.headers?.get("ce-id") === id);
  const partition = stored?.subject.split(".")[1] ?? "";
  const consumer = await jetstream(world.connection).consumers.get("EVENTS", `probe_p${partition}`);
  const { config } = await consumer.info();
  for (let delivery = 0; delivery < (config.max_deliver ?? 0); delivery += 1) {
    const message = await consumer.next({ expires: 10_000 });
    message?.nak();
  }
  const again = await world.start();
  const told = await until(async () => (await world.advisories())[0]);
  const advisory = readAdvisory(new TextEncoder().encode(JSON.stringify(told)));
  expect(advisory).toMatchObject({
    kind: "failure",
    failure: { code: "DELIVERIES_EXHAUSTED", consumer: `probe_p${partition}`, streamSequence: stored?.seq },
  });
  // It is lost with everybody who could have heard it.
  await (await jetstreamManager(world.connection)).streams.purge("ADVISORIES");
  const operating = await world.operate(again);
  const [letter] = await lettersIn(operating, OPEN, 1);
  expect(letter).toMatchObject({
    code: "DELIVERIES_EXHAUSTED",
    eventId: id,
    key: "a",
    source: DeadLetterSource.RECONCILER,
  });
  expect(letter?.message).toContain("not held back");
  await operating.client.redriveDeadLetter({ letterId: letter?.letterId ?? "", ...by });
  await lettersIn(operating, RESOLVED, 1);
  expect((await again.effects()).map(({ label }) => label)).toEqual(["before", "last"]);
});

test("an event that takes long is not taken for one that failed", async () => {
  const release = Promise.withResolvers<void>();
  const probe = await world.start(async (label) => {
    if (label === "slow") await release.promise;
  });
  const operating = await world.operate(probe);
  await probe.send({ key: "a", label: "slow" }, { key: "b", label: "poisonless" });
  await pass(operating, 4);
  expect(await lettersOf(operating)).toEqual([]);
  release.resolve();
  await until(async () => (await probe.effects()).length === 2);
  await pass(operating, 4);
  expect(await lettersOf(operating)).toEqual([]);
});

test("an open letter whose event is handled in another way comes to its end", async () => {
  let broken = true;
  const probe = await world.start((label) => {
    if (label === "poison" && broken) throw new Error("cannot be done");
  });
  const operating = await world.operate(probe);
  const [id = ""] = await probe.send({ key: "a", label: "poison" });
  await lettersIn(operating, OPEN, 1);
  broken = false;
  const [original] = (await world.stored()).filter((message) => message.headers?.get("ce-id") === id);
  if (!original) throw new Error("the original is gone");
  // Sent by hand, by somebody who knows no letters.
  await world.publish({ subject: `redrive.probe.${original.subject}`, payload: original.data, headers: attributes(id) });
  await lettersIn(operating, RESOLVED, 1);
  expect((await probe.effects()).map(({ eventId }) => eventId)).toEqual([id]);
});
