// Watchers are in a process of their own, so that what they cost is not taken for the cost of the mesh.
import { fork } from "node:child_process";
import { once } from "node:events";

export interface WatchOptions {
  edgeUrl: string;
  /** Each is watched over a connection of its own, as server-sent events. */
  paths: readonly string[];
}

export interface WatchResult {
  /** From a change, as the order says when it was, until a watcher had it. Milliseconds, one for each watcher and change. */
  seenMs: number[];
  /** Streams that ended before they were to, by reason. */
  errors: Record<string, number>;
}

export type ToWatchers = { kind: "start"; options: WatchOptions } | { kind: "report" };
export type FromWatchers = { kind: "open" } | { kind: "report"; result: WatchResult };

export interface OpenWatchers {
  /** Waits until so many changes were seen, but not for long. */
  seen(changes: number): Promise<WatchResult>;
  close(): Promise<void>;
}

const openMsMax = 120_000;
const seenMsMax = 10_000;
const lookEveryMs = 100;

/** Answers when each of them is open. */
export async function openWatchers(options: WatchOptions): Promise<OpenWatchers> {
  const child = fork(new URL("./watch-process.ts", import.meta.url), [], { execArgv: [] });
  const hear = async (kind: FromWatchers["kind"], msMax: number): Promise<FromWatchers> => {
    for (;;) {
      const [message] = (await once(child, "message", { signal: AbortSignal.timeout(msMax) })) as [FromWatchers];
      if (message.kind === kind) return message;
    }
  };
  const tell = (message: ToWatchers): void => void child.send(message);
  const close = async (): Promise<void> => {
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  };
  try {
    tell({ kind: "start", options });
    await hear("open", openMsMax);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    seen: async (changes) => {
      const endMs = performance.now() + seenMsMax;
      for (;;) {
        tell({ kind: "report" });
        const message = await hear("report", seenMsMax);
        if (message.kind !== "report") continue;
        if (message.result.seenMs.length >= changes || performance.now() > endMs) return message.result;
        await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
      }
    },
    close,
  };
}
