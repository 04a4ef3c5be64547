import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockFolder } from "./folder-lock.ts";
import { processIdentity } from "./process-identity.ts";
import { StartupError } from "./startup-error.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ordermesh-test-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

test("a folder in use by a living process is refused, with who and what to do", async () => {
  const release = await lockFolder(folder);
  const second = lockFolder(folder);
  await expect(second).rejects.toThrow(StartupError);
  await expect(second).rejects.toThrow(
    `The data folder ${folder} is in use by process ${process.pid}: ` +
      `stop it with "kill ${process.pid}", or set ORDERMESH_DATA_DIR to another folder.`,
  );
  await release();
});

test("a released folder can be claimed again and holds nothing of the lock", async () => {
  await (
    await lockFolder(folder)
  )();
  await (
    await lockFolder(folder)
  )();
  expect(await readdir(folder)).toEqual([]);
});

test("a release does not remove the lock of a later holder", async () => {
  const first = await lockFolder(folder);
  await first();
  const second = await lockFolder(folder);
  await first();
  await expect(lockFolder(folder)).rejects.toThrow("in use");
  await second();
});

const deadPid = spawnSync("true").pid;

test.each([
  { holder: "a dead process", lock: `${deadPid}\nboot 1\nid\n` },
  { holder: "an earlier process with a pid that ours has now", lock: `${process.pid}\nboot 1\nid\n` },
  { holder: "nobody, left empty by a crash", lock: "" },
])("a stale lock of $holder is taken over", async ({ lock }) => {
  await writeFile(join(folder, "lock"), lock);
  const release = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toThrow("in use");
  await release();
});

test("of many who find a stale lock at once exactly one gets the folder", async () => {
  await writeFile(join(folder, "lock"), `${deadPid}\nboot 1\nid\n`);
  const claims = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
  expect(claims.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
});

test("a process is told apart by its start, and a dead one has none", async () => {
  expect(await processIdentity(process.pid)).toBe(await processIdentity(process.pid));
  expect(await processIdentity(process.pid)).not.toBe(await processIdentity(process.ppid));
  expect(await processIdentity(deadPid)).toBeUndefined();
});

test("a taker that died while it removed a stale lock does not block the folder", async () => {
  const stale = `${deadPid}\nboot 1\nid\n`;
  await writeFile(join(folder, "lock"), stale);
  const right = createHash("sha256").update(stale).digest("hex").slice(0, 16);
  await writeFile(join(folder, `lock.${right}`), `${deadPid}\nboot 1\nother id\n`);
  await (
    await lockFolder(folder)
  )();
  expect(await readdir(folder)).toEqual([]);
});
