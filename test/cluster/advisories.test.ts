// Dead letters that come about while a node of the cluster is down.
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { advisoryStream } from "#runtime/events/streams.ts";
import { probeWorld, type Probe, type ProbeWorld } from "../delivery/probe.ts";
import { natsCluster, type NatsCluster } from "../support/nats-cluster.ts";
import { eventually } from "../support/until.ts";

const keys = Array.from({ length: 50 }, (_, index) => `key${index}`);

let cluster: NatsCluster;
let world: ProbeWorld;
let probe: Probe;

beforeAll(async () => {
  cluster = await natsCluster();
  world = await probeWorld(cluster, { streamReplicas: 3 });
  probe = await world.start();
  await cluster.allCurrent();
}, 90_000);

afterAll(() => world.close());

/** Sequences in the stream of all events that ended as dead letters. */
async function told(): Promise<Set<number>> {
  const advisories = await world.advisories();
  const letters = advisories.filter((advisory) => String(advisory["reason"]).startsWith("dead-letter: REFUSED_FOR_TEST"));
  return new Set(letters.map((advisory) => Number(advisory["stream_seq"])));
}

const refuse = (round: string): Promise<string[]> =>
  probe.send(...keys.map((key) => ({ key: `${round}-${key}`, label: "refuse" })));

async function parked(): Promise<number> {
  const { rows } = await sql<{ events: number }>`select count(*)::integer as events from parked_event`.execute(probe.runtime.db);
  return rows[0]?.events ?? 0;
}

test("events that are refused while a follower is down are all told of in the stream of the advisories", async () => {
  const leader = await cluster.leaderOf(advisoryStream);
  const follower = leader === "n1" ? "n2" : "n1";
  await refuse("before");
  await cluster.kill(follower);
  await refuse("during");
  await eventually(async () => expect(await parked()).toBe(2 * keys.length), { timeoutMs: 30_000 });
  await cluster.restart(follower);
  await eventually(async () => expect((await told()).size).toBe(2 * keys.length), { timeoutMs: 30_000 });
});

// Advisories are not repeated: those that come about while their stream has no leader are in no stream. The rows are
// what a reconciler finds them by.
test("events that are refused while the leader of the advisories is down are all parked", async () => {
  const before = await parked();
  const leader = await cluster.leaderOf(advisoryStream);
  if (!leader) throw new Error("the stream of the advisories has no leader");
  await cluster.kill(leader);
  await refuse("leaderless");
  await eventually(async () => expect(await parked()).toBe(before + keys.length), { timeoutMs: 40_000 });
  await cluster.restart(leader);
});
