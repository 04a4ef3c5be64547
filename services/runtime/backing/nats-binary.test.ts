import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findNatsServer, natsVersionMin } from "./nats-binary.ts";
import { compareVersions } from "./version.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ordermesh-test-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function fakeServer(version: string): Promise<string> {
  const path = join(folder, "nats-server");
  await writeFile(path, `#!/bin/sh\necho "nats-server: v${version}"\n`, { mode: 0o755 });
  return path;
}

test("a named server that does not run is an error, not a reason to take another", async () => {
  const path = join(folder, "absent");
  await expect(findNatsServer({ env: { ...process.env, NATS_SERVER_BIN: path } })).rejects.toThrow(
    `NATS_SERVER_BIN cannot be used, ${path} does not run as a nats-server: correct or unset it, or set NATS_URL.`,
  );
});

test("a named server that is too old is an error saying both versions", async () => {
  const path = await fakeServer("2.10.0");
  await expect(findNatsServer({ env: { ...process.env, NATS_SERVER_BIN: path } })).rejects.toThrow(
    `${path} is 2.10.0 and ${natsVersionMin} is needed`,
  );
});

test("a server on the PATH is taken when it is new enough", async () => {
  const path = await fakeServer("2.99.1");
  expect(await findNatsServer({ env: { PATH: folder } })).toEqual({ path, version: "2.99.1" });
});

test("a server on the PATH is passed over when it is too old", { timeout: 120_000 }, async () => {
  await fakeServer("2.10.0");
  const { version } = await findNatsServer({ env: { ...process.env, PATH: folder } });
  expect(compareVersions(version, natsVersionMin)).toBeGreaterThanOrEqual(0);
});

test.each([
  { left: "2.9.0", right: "2.12.0", want: -1 },
  { left: "2.12.0", right: "2.12", want: 0 },
  { left: "3.0.0", right: "2.99.99", want: 1 },
])("$left against $right", ({ left, right, want }) => {
  expect(Math.sign(compareVersions(left, right))).toBe(want);
});
