import { chmod, mkdtemp, readdir, readFile, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startChild, type ChildOptions } from "./child.ts";
import { accepts, startHolder } from "./holder.fixture.ts";
import { waitUntil } from "./wait-until.ts";

const start = (options: Partial<ChildOptions>) =>
  startChild({
    command: "sleep",
    args: ["60"],
    env: { PATH: process.env["PATH"] ?? "" },
    workingFolder: "/",
    stopSignal: "SIGTERM",
    ...options,
  });

test("a killed parent takes its servers and their temporary folders with it", { timeout: 20_000 }, async () => {
  const temporary = await realpath(await mkdtemp(join(tmpdir(), "ordermesh-test-")));
  // As for the system's own: anyone may create, only owners remove.
  await chmod(temporary, 0o1777);
  const holder = await startHolder("", { TMPDIR: temporary });
  expect(await accepts(holder.databaseUrl)).toBe(true);
  expect(await accepts(holder.natsUrl)).toBe(true);
  expect(await readdir(temporary)).toHaveLength(2);

  holder.signal("SIGKILL");

  const gone = async (): Promise<boolean> => !(await accepts(holder.databaseUrl)) && !(await accepts(holder.natsUrl));
  expect(await waitUntil(gone, { timeoutMs: 5_000 })).toBe(true);
  expect(await waitUntil(async () => (await readdir(temporary)).length === 0, { timeoutMs: 5_000 })).toBe(true);
  await rm(temporary, { recursive: true });
});

test("Ctrl-C reaches the parent alone, which then stops its servers in order", { timeout: 20_000 }, async () => {
  const holder = await startHolder();
  holder.signalGroup("SIGINT");
  // The parent asks the database once more before it stops it.
  expect(await holder.nextLine()).toBe("stopped in order");
  await holder.ended;
  expect(await accepts(holder.databaseUrl)).toBe(false);
  expect(await accepts(holder.natsUrl)).toBe(false);
});

test("a server that ends by itself is noticed, with its last words", async () => {
  const child = start({ command: "sh", args: ["-c", "echo out of luck >&2; exit 3"] });
  await child.exited;
  expect(child.hasExited()).toBe(true);
  await expect.poll(child.logTail).toContain("out of luck");
});

test("a command that does not exist counts as ended", async () => {
  const child = start({ command: "/does/not/exist" });
  await child.exited;
  await expect.poll(child.logTail).toContain("not found");
});

test("a working folder that does not exist counts as ended", async () => {
  const child = start({ workingFolder: "/does/not/exist" });
  await child.exited;
  expect(child.logTail()).toContain("ENOENT");
  await child.stop();
});

test.each(["stop", "kill"] as const)("%s may be asked for twice", async (way) => {
  const child = start({});
  await Promise.all([child[way](), child[way]()]);
  await child[way]();
  expect(child.hasExited()).toBe(true);
});

test("the log keeps the end of what a server wrote", async () => {
  const child = start({ command: "sh", args: ["-c", 'for n in $(seq 5000); do echo "line $n"; done'] });
  await child.exited;
  await expect.poll(child.logTail).toContain("line 5000\n");
  expect(child.logTail().length).toBeLessThanOrEqual(16_000);
});

/** How a process is scheduled: fields 41 and 19 of proc_pid_stat(5), of which the first that has no blanks in it is the third. */
const schedulingOf = async (pid: number | undefined): Promise<{ policy: number; nice: number }> => {
  const stat = await readFile(`/proc/${pid ?? "none"}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { policy: Number(fields[41 - 3]), nice: Number(fields[19 - 3]) };
};

test.runIf(process.platform === "linux")("a server leaves us the processor, and we are as we were", async () => {
  const before = await schedulingOf(process.pid);
  const child = start({});
  const [batch, nice] = [3, 10];
  await expect.poll(() => schedulingOf(child.pid), { timeout: 5_000 }).toEqual({ policy: batch, nice });
  expect(await schedulingOf(process.pid)).toEqual(before);
  await child.stop();
});
