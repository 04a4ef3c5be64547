// Load comes from a process of its own, so that what it costs is not taken for the cost of the mesh.
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

/** "Connect JSON" is what a program without a library sends: HTTP/1.1, as REST is sent. */
export type Protocol = "Connect" | "Connect JSON" | "gRPC" | "REST";

/** Callers who each wait for their answer, or so many calls a second whatever becomes of them. */
export type Pace = { kind: "closed"; callers: number } | { kind: "open"; perSecond: number };

export interface LoadOptions {
  /** Of the RPC ports, or of the edge for REST; callers are spread over them. */
  urls: readonly string[];
  protocol: Protocol;
  /** Of whom tokens are asked: an RPC port, or the edge for REST. The first of the above where it is not given. */
  identityUrl?: string;
  /** Who calls, in turn; the operator where none is given. */
  clients?: readonly { clientId: string; clientSecret: string }[];
  pace: Pace;
  /** Before the measurement, so that connections are open and code is compiled. */
  warmUpSeconds?: number;
  seconds: number;
  skus: readonly string[];
  /** Answers the ids of the accepted orders. */
  keepIds?: boolean;
}

export interface LoadResult {
  /** Calls of the measured time. */
  asked: number;
  accepted: number;
  /** Of the warm-up. */
  acceptedBefore: number;
  /** From the first call to the last answer. */
  seconds: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  /** Calls without an order, by reason. */
  errors: Record<string, number>;
  failedP50Ms: number;
  failedP99Ms: number;
  orderIds: string[];
}

/** What the process says: that its measured time begins, how many orders it has had so far, and the end. */
export type FromLoad =
  | { kind: "begun" }
  | { kind: "accepted"; accepted: number }
  | { kind: "done"; result: LoadResult }
  | { kind: "failed"; why: string };
export type ToLoad = { kind: "start"; options: LoadOptions } | { kind: "hold"; isHeld: boolean };

interface Watch {
  /** How many orders are under way. Asked all the time while the load runs. */
  underWay(): Promise<number>;
  underWayMax: number;
}

export interface WatchedResult extends LoadResult {
  /** Orders that became ready in the measured time, and the time. */
  ready: number;
  watchedSeconds: number;
}

/** Each look costs the database some milliseconds. */
const watchEveryMs = 100;
const endMsMax = 120_000;
const script = new URL("./load-process.ts", import.meta.url);

function startLoad(options: LoadOptions): ChildProcess {
  const child = fork(script, [], { execArgv: [] });
  tell(child, { kind: "start", options });
  return child;
}

/** To a process that has just ended nothing need be told; that it has is heard elsewhere. */
const tell = (child: ChildProcess, message: ToLoad): void => void (child.connected && child.send(message, () => {}));

/** Runs the load and answers what it met. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  return ended(startLoad(options), options);
}

/** The same with a bound on what is under way, so that the rate is one that can go on for ever. */
export async function runWatchedLoad(options: LoadOptions, { underWay, underWayMax }: Watch): Promise<WatchedResult> {
  const child = startLoad(options);
  const over = new AbortController();
  let accepted = 0;
  let isBegun = false;
  child.on("message", (message: FromLoad) => {
    if (message.kind === "begun") isBegun = true;
    if (message.kind === "accepted") ({ accepted } = message);
  });
  // Ready are those that were accepted and are no longer under way.
  const samples: { ms: number; ready: number }[] = [];
  const watch = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const open = await underWay();
      tell(child, { kind: "hold", isHeld: open >= underWayMax });
      if (isBegun) samples.push({ ms: performance.now(), ready: accepted - open });
      await sleep(watchEveryMs);
    }
  };
  const watching = watch();
  try {
    const result = await ended(child, options);
    const [first, last] = [samples[0], samples.at(-1)];
    if (!first || !last) throw new Error("the load was over before it was looked at");
    return { ...result, ready: last.ready - first.ready, watchedSeconds: (last.ms - first.ms) / 1_000 };
  } finally {
    over.abort();
    await watching;
  }
}

async function ended(child: ChildProcess, { seconds, warmUpSeconds = 0 }: LoadOptions): Promise<LoadResult> {
  const { promise, resolve, reject } = Promise.withResolvers<LoadResult>();
  child.on("message", (message: FromLoad) => {
    if (message.kind === "done") resolve(message.result);
    if (message.kind === "failed") reject(new Error(message.why));
  });
  const exited = once(child, "exit");
  void exited.then(() => reject(new Error("the load's process has ended by itself")));
  const timer = setTimeout(() => reject(new Error("the load did not end")), (seconds + warmUpSeconds) * 1_000 + endMsMax);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
    await exited;
  }
}
