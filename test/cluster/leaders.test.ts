// Leaders of the stream and of the consumers hand over, die and fall silent, while events flow.
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { durableName, eventStream } from "#runtime/events/streams.ts";
import { probeWorld, type Probe, type ProbeWorld } from "../delivery/probe.ts";
import { natsCluster, type NatsCluster, type NodeName } from "../support/nats-cluster.ts";
import { passUnderLoad, watchGaps, type Passing, type Watch } from "./load.ts";

/** How long events may stand still, besides the time in which NATS itself has no leader. */
const gapMsMax = 5_000;

let cluster: NatsCluster;
let world: ProbeWorld;
let probe: Probe;
let watch: Watch = watchGaps();

beforeAll(async () => {
  cluster = await natsCluster();
  world = await probeWorld(cluster, { streamReplicas: 3 });
  probe = await world.start((label) => watch.handled(label));
  await cluster.allCurrent();
}, 90_000);

afterAll(() => world.close());

beforeEach(() => {
  watch = watchGaps();
});

const consumers = [0, 1, 2].map((partition) => durableName("probe", partition));

const leader = async (): Promise<NodeName> => {
  const name = await cluster.leaderOf(eventStream);
  if (!name) throw new Error("the stream has no leader");
  return name;
};

async function report(round: string, passing: Promise<Passing>): Promise<Passing> {
  const passed = await passing;
  console.log(`${round}: ${passed.sent} events, the longest gap was ${passed.gapMs} ms, that of a key ${passed.keyGapMs} ms`);
  return passed;
}

test.each([
  { round: "stream_hands_over", handOver: () => cluster.stepDown(eventStream) },
  {
    round: "consumers_hand_over",
    handOver: () => Promise.all(consumers.map((consumer) => cluster.stepDown(eventStream, consumer))),
  },
])("fault 20: $round: events go on within 5 s, none is lost, doubled or overtaken", async ({ round, handOver }) => {
  const { gapMs } = await report(round, passUnderLoad({ probe, watch, round }, handOver));
  expect(gapMs).toBeLessThan(gapMsMax);
});

const follower = async (): Promise<NodeName> => ((await leader()) === "n1" ? "n2" : "n1");

test.each([
  // A follower of the stream may lead some of its consumers.
  {
    round: "follower_dies",
    who: follower,
    fault: (node: NodeName) => cluster.kill(node),
    remedy: (node: NodeName) => cluster.restart(node),
  },
  {
    round: "leader_dies",
    who: leader,
    fault: (node: NodeName) => cluster.kill(node),
    remedy: (node: NodeName) => cluster.restart(node),
  },
  {
    round: "leader_is_silent",
    who: leader,
    fault: (node: NodeName) => cluster.pause(node),
    remedy: (node: NodeName) => cluster.goOn(node),
  },
])("fault 20: $round: events go on within 5 s of the election of another, none is lost, doubled or overtaken", async (given) => {
  const { round, who, fault, remedy } = given;
  let electionMs = 0;
  const { gapMs } = await report(
    round,
    passUnderLoad({ probe, watch, round }, async () => {
      const node = await who();
      await fault(node);
      electionMs = await cluster.electedWithout(node, eventStream);
      await remedy(node);
    }),
  );
  console.log(`${round}: without all leaders for ${Math.round(electionMs)} ms`);
  // How long servers wait before they elect, four to nine seconds, is fixed in NATS.
  expect(gapMs - electionMs).toBeLessThan(gapMsMax);
});
