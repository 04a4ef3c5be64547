// Starting and stopping, as a person does it.
import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { failToStart, startMeshProcess, type MeshProcess } from "../support/process.ts";
import { eventually, until } from "../support/until.ts";

const folders: string[] = [];
const processes: MeshProcess[] = [];

afterEach(async () => {
  const running = processes.splice(0).filter((mesh) => mesh.child.exitCode === null);
  await Promise.all(running.map((mesh) => mesh.end("SIGKILL")));
  await Promise.all(
    folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 })),
  );
});

async function dataFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "ordermesh-data-"));
  // Started as root, PostgreSQL runs as nobody, who must get into the folder.
  await chmod(folder, 0o755);
  folders.push(folder);
  return folder;
}

async function start(options: Parameters<typeof startMeshProcess>[0]): Promise<MeshProcess> {
  const mesh = await startMeshProcess(options);
  processes.push(mesh);
  return mesh;
}

const fast = { ORDERMESH_CARRIER_DISPATCH_MS: "50", ORDERMESH_CARRIER_DELIVER_MS: "50" };

async function place(mesh: MeshProcess, sku: string): Promise<string> {
  const answer = await mesh.fetch("/v1/orders", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ customerId: "ada", currency: "EUR", paymentToken: "tok_success", items: [{ sku, quantity: "1" }] }),
  });
  const order = (await answer.json()) as { orderId: string };
  expect(answer.status, JSON.stringify(order)).toBe(202);
  return order.orderId;
}

async function stateOf(mesh: MeshProcess, orderId: string): Promise<string> {
  const answer = await mesh.fetch(`/v1/orders/${orderId}`);
  return ((await answer.json()) as { state: string }).state;
}

/** Ids of the processes whose command line names the folder. */
async function processesOn(folder: string): Promise<string[]> {
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    ids.map(async (id) => [id, await readFile(`/proc/${id}/cmdline`, "utf8").catch(() => "")] as const),
  );
  return lines.filter(([, line]) => line.includes(folder)).map(([id]) => id);
}

test("Ctrl-C ends it with exit code 0 and leaves nothing running; the next start finds yesterday's orders", async () => {
  const folder = await dataFolder();
  const env = { ORDERMESH_DATA_DIR: folder, ...fast };
  const first = await start({ env });
  const orderId = await place(first, "MUG-BLUE");
  expect((await processesOn(folder)).length).toBeGreaterThan(0);
  // Twice, as npm does: the terminal sends it to the whole group, and npm passes its own on.
  first.child.kill("SIGINT");
  expect(await first.end("SIGINT")).toBe(0);
  expect(await processesOn(folder)).toEqual([]);
  const second = await start({ env });
  await eventually(async () => expect(await stateOf(second, orderId)).toBe("ORDER_STATE_DELIVERED"), {
    timeoutMs: 20_000,
  });
  expect(await second.end("SIGTERM")).toBe(0);
});

test("after a kill -9 its servers end by themselves, and the next start goes on with what was under way", async () => {
  const folder = await dataFolder();
  const env = { ORDERMESH_DATA_DIR: folder, ...fast };
  const first = await start({ env });
  const orderIds = await Promise.all(Array.from({ length: 20 }, () => place(first, "MUG-BLUE")));
  await first.end("SIGKILL");
  await until(async () => (await processesOn(folder)).length === 0);
  const second = await start({ env });
  for (const orderId of orderIds) {
    await eventually(async () => expect(await stateOf(second, orderId)).toBe("ORDER_STATE_DELIVERED"), {
      timeoutMs: 25_000,
    });
  }
}, 90_000);

test("an empty catalogue stays empty where no demonstration is wanted", async () => {
  const mesh = await start({ env: { ORDERMESH_DATA_DIR: await dataFolder(), ORDERMESH_SEED: "none" } });
  expect(await (await fetch(`${mesh.edgeUrl}/v1/products`)).json()).toMatchObject({ products: [] });
});

test("a data folder that is in use is refused in one sentence", async () => {
  const folder = await dataFolder();
  await start({ env: { ORDERMESH_DATA_DIR: folder, ORDERMESH_SEED: "none" } });
  const { exitCode, output } = await failToStart({ env: { ORDERMESH_DATA_DIR: folder } });
  expect(exitCode).toBe(1);
  expect(output).toContain("ORDERMESH_DATA_DIR");
  expect(output).not.toContain("    at ");
});

test.each(["ORDERMESH_EDGE_PORT", "ORDERMESH_RPC_PORT"])(
  "a port in use is refused with the name of its setting: %s",
  async (setting) => {
    const server = createServer().listen(0, "127.0.0.1");
    await until(() => server.listening);
    const address = server.address();
    const port = address !== null && typeof address === "object" ? String(address.port) : "";
    try {
      const { exitCode, output } = await failToStart({
        env: { ORDERMESH_DATA_DIR: await dataFolder(), ORDERMESH_SEED: "none", [setting]: port },
      });
      expect(exitCode).toBe(1);
      expect(output).toContain(setting);
      expect(output).toContain(port);
      expect(output).not.toContain("    at ");
    } finally {
      server.close();
    }
  },
);

test.each([
  { name: "a database that refuses", env: { DATABASE_URL: "postgres://nobody:secret@127.0.0.1:1/none" }, says: "DATABASE_URL" },
  { name: "a NATS that refuses", env: { NATS_URL: "nats://127.0.0.1:1" }, says: "NATS_URL" },
  { name: "a number that is none", env: { ORDERMESH_EDGE_PORT: "many" }, says: "ORDERMESH_EDGE_PORT" },
  { name: "a shop that is all shops", env: { ORDERMESH_TENANT: "mesh" }, says: "ORDERMESH_TENANT" },
])("$name is refused in one sentence without secrets", async ({ env, says }) => {
  const given: Record<string, string> = { ORDERMESH_DATA_DIR: await dataFolder() };
  for (const [name, value] of Object.entries(env)) if (value) given[name] = value;
  const { exitCode, output } = await failToStart({ env: given });
  expect(exitCode).toBe(1);
  expect(output).toContain(says);
  expect(output).not.toContain("secret");
  expect(output).not.toContain("    at ");
});

test("a service that does not exist is refused with the names of those that do", async () => {
  const { exitCode, output } = await failToStart({ env: {}, args: ["--only", "ordrs"] });
  expect(exitCode).toBe(1);
  expect(output).toContain("ordrs");
  expect(output).toContain("inventory");
});
