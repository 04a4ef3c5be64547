// Runs a server that cannot outlive us. A watcher process holds one end of a pipe whose other end only we hold;
// the kernel closes ours however we die, kill -9 included, and the watcher then stops the server.
import { spawn } from "node:child_process";
import { Socket } from "node:net";
import { waitUntil } from "./wait-until.ts";

const logCharactersMax = 16_000;
const stopTimeoutMs = 10_000;
const watcherEndTimeoutMs = 5_000;
const niceness = 10;

export interface ChildOptions {
  command: string;
  args: readonly string[];
  env: Record<string, string>;
  workingFolder: string;
  /** Asks the server to end in order. */
  stopSignal: "SIGINT" | "SIGTERM";
  /** User and group to drop to; ours when absent. */
  runAs?: { uid: number; gid: number } | undefined;
  /** Removed once the server has ended, even when we no longer live to do it. */
  removeAfterwards?: string | undefined;
}

export interface Child {
  pid: number | undefined;
  /** Resolves when the server has ended or could not be started; never rejects. */
  exited: Promise<void>;
  hasExited: () => boolean;
  /** The last 16,000 characters that the server wrote. */
  logTail: () => string;
  /** Ends the server in order; by force after 10 s. Safe to call again. */
  stop: () => Promise<void>;
  /** Ends the server as a crash would. */
  kill: () => Promise<void>;
}

// The shell becomes the server (exec), so its pid, signals and exit are the server's own. The doubled parentheses make
// the watcher an orphan: PostgreSQL would otherwise mistake it for one of its own processes.
// As a batch process (sched(7)) a server keeps its share of the processors, and yet does not interrupt whoever wakes it: our
// one thread would otherwise stand still at nearly every write to a socket until the server is done with it. It is also nicer
// than we are: by itself, and where Linux groups processes by session (sched(7), autogroup), as a session.
const script = `
signal=$1 folder=$2; shift 2; server=$$
PATH=$PATH:/usr/bin:/bin chrt -b -p 0 "$$" >/dev/null 2>&1
PATH=$PATH:/usr/bin:/bin renice -n ${niceness} -p "$$" >/dev/null 2>&1
{ echo ${niceness} > "/proc/$$/autogroup"; } 2>/dev/null
( ( trap '' INT TERM HUP
    PATH=$PATH:/usr/bin:/bin
    read -r _ <&3
    kill -s "$signal" "$server"
    tries=0
    while kill -0 "$server"; do
      tries=$((tries + 1))
      [ "$tries" -gt 200 ] && kill -s KILL "$server"
      sleep 0.05
    done
    [ -z "$folder" ] || rm -rf -- "$folder" || { sleep 1; rm -rf -- "$folder"; }
  ) >/dev/null 2>&1 & )
exec "$@" 3<&-`;

/** Starts a server in a session of its own: Ctrl-C in our terminal reaches us alone, and we stop our servers in order. */
export function startChild(options: ChildOptions): Child {
  const watcherArgs = [options.stopSignal.slice("SIG".length), options.removeAfterwards ?? ""];
  const child = spawn("/bin/sh", ["-c", script, "sh", ...watcherArgs, options.command, ...options.args], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    detached: true,
    cwd: options.workingFolder,
    env: options.env,
    ...options.runAs,
  });
  let log = "";
  const keepLog = (chunk: Buffer | string): void => {
    log = (log + chunk.toString()).slice(-logCharactersMax);
  };
  child.stdout?.on("data", keepLog);
  child.stderr?.on("data", keepLog);

  const lifeline = child.stdio[3];
  // The watcher never writes; reading is what lets us notice its end.
  if (lifeline instanceof Socket) lifeline.on("error", () => {}).resume();
  let ended = false;
  const exited = new Promise<void>((resolve) => {
    const end = (): void => {
      ended = true;
      if (lifeline instanceof Socket) lifeline.end();
      resolve();
    };
    child.once("exit", end);
    child.once("error", (error) => {
      keepLog(`${error.message}\n`);
      if (child.pid === undefined) end();
    });
  });

  const endWith = async (signal: NodeJS.Signals): Promise<void> => {
    if (!ended) child.kill(signal);
    const force = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
    await exited;
    clearTimeout(force);
    // The folder is gone only when the watcher is, and it closes its end of the lifeline last.
    await waitUntil(() => !(lifeline instanceof Socket) || lifeline.destroyed, { timeoutMs: watcherEndTimeoutMs });
  };
  return {
    pid: child.pid,
    exited,
    hasExited: () => ended,
    logTail: () => log,
    stop: () => endWith(options.stopSignal),
    kill: () => endWith("SIGKILL"),
  };
}
