// Starting beside a cluster that has only just begun: it has no leader yet, and knows too few of its servers.
import { expect, test } from "vitest";
import { probeWorld } from "../delivery/probe.ts";
import { testMesh } from "../support/mesh.ts";
import { natsCluster } from "../support/nats-cluster.ts";
import { eventually } from "../support/until.ts";

test("a service waits until the cluster has its leader, and then makes its streams", { timeout: 110_000 }, async () => {
  const world = await probeWorld(await natsCluster({ waitUntilReady: false }), { streamReplicas: 3 });
  try {
    const probe = await world.start();
    await probe.send({ key: "a", label: "first" });
    await eventually(async () => expect((await probe.effects()).length).toBe(1), { timeoutMs: 30_000 });
  } finally {
    await world.close();
  }
});

test("so does the whole mesh", { timeout: 110_000 }, async () => {
  const cluster = await natsCluster({ waitUntilReady: false });
  const mesh = await testMesh({ ORDERMESH_STREAM_REPLICAS: "3" }, cluster);
  try {
    await eventually(async () => expect((await fetch(`${mesh.rpcUrl}/readyz`)).status).toBe(200));
  } finally {
    await mesh.close();
  }
});
