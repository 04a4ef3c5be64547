// What processes of ours have used, as Linux counts it.
import { readFile } from "node:fs/promises";

/** Linux counts in hundredths of a second, whatever its kernel's own tick is. */
const msPerTick = 10;

/** Processor time of a process so far, of all its threads. Undefined where there is no /proc. */
export async function cpuMs(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The name in parentheses may itself have spaces and parentheses; utime and stime are the 12th and 13th after it.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields && (Number(fields[11]) + Number(fields[12])) * msPerTick;
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
