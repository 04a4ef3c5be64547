import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

async function ask(pid: number, column: "lstart" | "command"): Promise<string | undefined> {
  try {
    const { stdout } = await run("ps", ["-o", `${column}=`, "-p", String(pid)], { env: { ...process.env, LC_ALL: "C" } });
    return stdout.trim() || undefined;
  } catch {
    return undefined;
  }
}

/** What tells this process from a later one with the same pid: boot and start time. Undefined when no such process lives. */
export async function processIdentity(pid: number): Promise<string | undefined> {
  if (process.platform !== "linux") return ask(pid, "lstart");
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return undefined;
  // The second field is the command in parentheses and may hold anything, so count from its end: state is 3rd, start 22nd.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return undefined;
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  return `${boot.trim()} ${fields[19]}`;
}

/** The command line of a living process, its arguments parted by spaces. Undefined when no such process lives. */
export async function processCommand(pid: number): Promise<string | undefined> {
  if (process.platform !== "linux") return ask(pid, "command");
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return command.replaceAll("\0", " ").trim() || undefined;
}
