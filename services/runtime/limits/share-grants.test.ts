// Replicas that tell each other over a real NATS what they have granted let through about as much as one.
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { failingNats, type FailingNats } from "../../../test/support/nats.ts";
import { connectNats } from "../events/connect.ts";
import { createLogger } from "../log.ts";
import { grantedOf, limited, outcomeOf, testCaller, testLimits } from "./limits.fixture.ts";

let nats: FailingNats;
const ended: (() => unknown)[] = [];

beforeAll(async () => {
  nats = await failingNats();
});
afterAll(() => nats.stop());
afterEach(async () => {
  for (const end of ended.splice(0).toReversed()) await end();
});

const log = createLogger({ level: "silent" });
const rate = 10;
const burst = 100;
const env = { ORDERMESH_RATE_CUSTOMER: String(rate), ORDERMESH_RATE_BURST_SECONDS: "10" };
/** What a replica keeps to itself. */
const untoldMax = burst / 16;

async function replicas(count: number) {
  const started = await Promise.all(Array.from({ length: count }, () => replica()));
  // Until the server knows of each subscription, what is said is heard by nobody.
  await Promise.all(started.map(({ connection }) => connection.flush()));
  return started;
}

async function replica() {
  const connection: NatsConnection = await connectNats({ url: nats.url, access: {}, name: "test", log });
  const { limits, clock } = testLimits({ env, connection });
  ended.push(
    () => connection.close(),
    () => limits.close(),
  );
  const ada = testCaller();
  return { connection, limits, clock, count: (header: Headers) => limits.countCaller(ada, header) };
}

type Replica = Awaited<ReturnType<typeof replica>>;

/** Everything that one has granted until now has been heard by the others. */
async function heard(all: readonly Replica[]): Promise<void> {
  // Longer than they gather, and then a way to the server and back for who tells, and for who hears.
  await new Promise((resolve) => setTimeout(resolve, 30));
  for (const { connection } of all) await connection.flush();
  for (const { connection } of all) await connection.flush();
}

describe.each([2, 3])("%i replicas", (count) => {
  test("give one bucket's worth to whoever goes round them", async () => {
    const all = await replicas(count);
    let granted = 0;
    for (let round = 0; round < burst; round += 1) {
      for (const { count: ask } of all) granted += grantedOf(1, ask);
      if (round % 5 === 0) await heard(all);
    }
    await heard(all);
    for (const { count: ask } of all) expect(outcomeOf(ask).outcome).toBe(limited);
    expect(granted).toBeGreaterThanOrEqual(burst);
    // What went out between two rounds of news comes on top.
    expect(granted).toBeLessThanOrEqual(burst + (count - 1) * (untoldMax + 5));
  });

  test("that were all asked at once owe what they have given too much, so that in the long run it is the rate", async () => {
    const all = await replicas(count);
    let granted = all.map(({ count: ask }) => grantedOf(1_000, ask)).reduce((sum, each) => sum + each, 0);
    expect(granted).toBe(count * burst);
    await heard(all);
    const seconds = 60;
    for (let second = 0; second < seconds; second += 1) {
      for (const { clock } of all) clock.nowMs += 1_000;
      for (const { count: ask } of all) granted += grantedOf(rate, ask);
      await heard(all);
    }
    // One bucket at first, and what comes in a minute.
    const exact = burst + seconds * rate;
    expect(granted).toBeGreaterThanOrEqual(exact - count * rate);
    expect(granted).toBeLessThanOrEqual(exact + (count - 1) * (untoldMax + rate));
  }, 120_000);
});

test("a bucket of which another has heard is not full to whoever comes to it first", async () => {
  const [one, two] = await replicas(2);
  expect(grantedOf(1_000, one!.count)).toBe(burst);
  await heard([one!, two!]);
  expect(grantedOf(1_000, two!.count)).toBeLessThanOrEqual(untoldMax);
});

test("others are told of nobody who asks little", async () => {
  const [one] = await replicas(1);
  const told = vi.fn<() => void>();
  one!.connection.subscribe("ordermesh.limits.>", { callback: told });
  await one!.connection.flush();
  for (let hour = 0; hour < 50; hour += 1) {
    expect(grantedOf(3, one!.count)).toBe(3);
    one!.clock.nowMs += 3_600_000;
  }
  await heard([one!]);
  expect(told).not.toHaveBeenCalled();
  expect(grantedOf(10, one!.count)).toBe(10);
  await heard([one!]);
  expect(told).toHaveBeenCalledTimes(1);
});

test("what a stranger says under the subject is nothing", async () => {
  const [one] = await replicas(1);
  const grant = { plan: "customer", key: "demo shop ada", spentMs: 9_000 };
  const lies = [
    "",
    "{",
    "null",
    "[null]",
    JSON.stringify(grant),
    JSON.stringify([{ ...grant, plan: "emperor" }]),
    JSON.stringify([{ ...grant, spentMs: -1 }]),
    JSON.stringify([{ ...grant, spentMs: "9000" }]),
    JSON.stringify([{ ...grant, spentMs: 1e300 }]),
    JSON.stringify([{ ...grant, key: "x".repeat(300) }]),
    JSON.stringify([{ ...grant, key: 7 }]),
  ];
  for (const lie of lies) one!.connection.publish("ordermesh.limits.granted.stranger", lie);
  await heard([one!]);
  expect(one!.limits.buckets.count("customer")).toBe(0);
  one!.connection.publish("ordermesh.limits.granted.friend", JSON.stringify([grant]));
  await heard([one!]);
  expect(grantedOf(1_000, one!.count)).toBe(10);
});

test("while NATS is away each limits by itself; what was granted then is not told afterwards, and what comes then is", async () => {
  const all = await replicas(2);
  const [one, two] = all as [Replica, Replica];
  const gone = all.map(({ connection }) => statusOf(connection, "disconnect"));
  await nats.pause();
  await Promise.all(gone);
  const back = all.map(({ connection }) => statusOf(connection, "reconnect"));
  expect(grantedOf(1_000, one.count)).toBe(burst);
  expect(outcomeOf(one.count).outcome).toBe(limited);
  await new Promise((resolve) => setTimeout(resolve, 30));
  await nats.resume();
  await Promise.all(back);
  await heard(all);
  expect(grantedOf(50, two.count)).toBe(50);
  one.clock.nowMs += 10_000;
  await heard(all);
  expect(grantedOf(50, one.count)).toBe(50);
  await heard(all);
  expect(grantedOf(100, two.count)).toBeLessThanOrEqual(untoldMax);
});

async function statusOf(connection: NatsConnection, wanted: string): Promise<void> {
  for await (const { type } of connection.status()) if (type === wanted) return;
}
