// The mesh in a process that can be told where to die, with times so short that its successor goes on soon.
import { startMeshProcess, type MeshProcess } from "../support/process.ts";

const hurried = {
  ORDERMESH_CARRIER_DISPATCH_MS: "50",
  ORDERMESH_CARRIER_DELIVER_MS: "50",
  ORDERMESH_TEST_FAULTS: "on",
  ORDERMESH_TEST_LEASE_MS: "1000",
  ORDERMESH_TEST_ACK_WAIT_MS: "1000",
  ORDERMESH_TEST_CLAIM_MS: "2000",
};

/** Empty crashAt: it does not die by itself. Only: services and "edge", with commas; else all. */
export function startDyingMesh(
  servers: { databaseUrl: string; natsUrl: string },
  { crashAt = "", env = {}, only }: { crashAt?: string; env?: Record<string, string>; only?: string } = {},
): Promise<MeshProcess> {
  const { databaseUrl, natsUrl } = servers;
  return startMeshProcess({
    env: { ...hurried, DATABASE_URL: databaseUrl, NATS_URL: natsUrl, ORDERMESH_TEST_CRASH_AT: crashAt, ...env },
    ...(only !== undefined && { args: ["--only", only] }),
  });
}

/** Asks the mesh by REST; throws with what it says where it refuses. */
export async function ask<Answer>(mesh: MeshProcess | undefined, path: string, body?: object): Promise<Answer> {
  const headers = { "content-type": "application/json" };
  if (!mesh) throw new Error("no mesh is running");
  const answer = await mesh.fetch(path, body ? { method: "POST", body: JSON.stringify(body), headers } : {});
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path} is answered with ${answer.status}: ${text}`);
  return JSON.parse(text) as Answer;
}
