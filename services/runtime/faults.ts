// Faults on purpose, for tests: a process that dies at a named point, a clock that is wrong. Nothing of it happens unless
// ORDERMESH_TEST_FAULTS is "on".
import type { Clock } from "./clock.ts";
import type { Environment } from "./settings.ts";

/** Where a process may be made to die, always together with the name of the work: "orders.take_facts:before_ack". */
export type CrashPoint =
  | "before_commit"
  | "after_commit"
  | "before_ack"
  | "before_publish"
  | "after_publish"
  | "before_provider"
  | "after_provider";

/** What a test may tell a process that it has started with an IPC channel. */
export type FaultOrder = { crashAt: string } | { clockOffsetMs: number };

/** A time of the runtime, which tests that kill many processes may shorten. Milliseconds. */
export function shortenedMs(setting: string, milliseconds: number): number {
  const text = process.env["ORDERMESH_TEST_FAULTS"] === "on" ? process.env[setting] : undefined;
  return text === undefined ? milliseconds : Number(text);
}

let armed: { at: string; passesLeft: number } | undefined;
let clockOffsetMs = 0;

/** "orders.take_facts:before_ack" dies the first time; "orders.take_facts:before_ack#3" the third. */
function arm(text: string): void {
  const [at = "", passes = "1"] = text.split("#");
  armed = at === "" ? undefined : { at, passesLeft: Number(passes) };
}

/** Reads the settings and listens to orders; only where faults are switched on. */
export function allowFaults(env: Environment): void {
  if (env["ORDERMESH_TEST_FAULTS"] !== "on") return;
  arm(env["ORDERMESH_TEST_CRASH_AT"] ?? "");
  clockOffsetMs = Number(env["ORDERMESH_TEST_CLOCK_OFFSET_MS"] ?? "0");
  process.on("message", (order: FaultOrder) => {
    if ("crashAt" in order) arm(order.crashAt);
    else clockOffsetMs = order.clockOffsetMs;
  });
  // Whoever has started this process to break it is gone: it must not outlive its test.
  if (process.send) process.on("disconnect", () => process.exit(1));
  if (process.send && !process.connected) process.exit(1);
}

/** Dies here, as by kill -9, where a test has asked for it. */
export function crashPoint(work: string, point: CrashPoint): void {
  if (armed?.at !== `${work}:${point}`) return;
  armed.passesLeft -= 1;
  if (armed.passesLeft > 0) return;
  process.kill(process.pid, "SIGKILL");
  // The signal may take a moment; nothing more may happen in it.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

/** For tests that plan in their own process. */
export function setClockOffset(milliseconds: number): void {
  clockOffsetMs = milliseconds;
}

/** The clock of this process: the system's, off by what a test has asked for. */
export const processClock: Clock = { now: () => new Date(Date.now() + clockOffsetMs) };
