// What processes of ours have used, as Linux counts it.
import { readdir, readFile } from "node:fs/promises";

/** Linux counts in hundredths of a second, whatever its kernel's own tick is. */
const msPerTick = 10;

interface ProcessStat {
  parentPid: number;
  /** Of the process itself, and of its children that have ended. Milliseconds. */
  ownMs: number;
  endedMs: number;
}

/** Undefined where there is no /proc or no such process. See proc_pid_stat(5). */
async function statOf(pid: number | string): Promise<ProcessStat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The name in parentheses may itself have spaces and parentheses; after it come the state, the parent, and so on.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  if (!fields) return undefined;
  const ms = (first: number): number => (Number(fields[first]) + Number(fields[first + 1])) * msPerTick;
  return { parentPid: Number(fields[1]), ownMs: ms(11), endedMs: ms(13) };
}

/** Processor time of a process so far, of all its threads. Undefined where there is no /proc. */
export async function cpuMs(pid: number): Promise<number | undefined> {
  return (await statOf(pid))?.ownMs;
}

/** The same with its children, also those that have ended. */
export async function cpuMsOfFamily(pid: number): Promise<number | undefined> {
  const parent = await statOf(pid);
  if (!parent) return undefined;
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const children = (await Promise.all(pids.map(statOf))).filter((stat) => stat?.parentPid === pid);
  return children.reduce((sum, child) => sum + (child?.ownMs ?? 0), parent.ownMs + parent.endedMs);
}

/** Processor time of all of them. Undefined where one of them cannot be read. */
export async function cpuMsOf(pids: readonly number[]): Promise<number | undefined> {
  let sum = 0;
  for (const each of await Promise.all(pids.map(cpuMs))) {
    if (each === undefined) return undefined;
    sum += each;
  }
  return sum;
}

/** Resident memory of a process. Undefined where there is no /proc. */
export async function residentMiB(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kiB = /^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1];
  return kiB === undefined ? undefined : Number(kiB) / 1_024;
}
