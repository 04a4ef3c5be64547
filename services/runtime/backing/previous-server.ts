// After a kill -9 of its parent a server needs a moment to end; two servers on one folder would destroy it.
import { readFile, rm } from "node:fs/promises";
import { processCommand } from "./process-identity.ts";
import { StartupError } from "./startup-error.ts";
import { waitUntil } from "./wait-until.ts";

const previousEndTimeoutMs = 10_000;

export interface PreviousServer {
  name: string;
  /** Its first line is the pid. */
  pidFile: string;
  /** What the command line of a server on this folder contains; another process may meanwhile have got the pid. */
  commandPart: string;
}

async function previousPid({ pidFile, commandPart }: PreviousServer): Promise<number | undefined> {
  const text = await readFile(pidFile, "utf8").catch(() => "");
  const pid = Number.parseInt(text, 10);
  if (!(pid > 0)) return undefined;
  const command = await processCommand(pid);
  return command?.includes(commandPart) ? pid : undefined;
}

/** Resolves when the server that last used the folder has ended, its pid file removed; StartupError when it is still there after 10 s. */
export async function previousServerEnded(previous: PreviousServer): Promise<void> {
  const ended = await waitUntil(async () => (await previousPid(previous)) === undefined, { timeoutMs: previousEndTimeoutMs });
  // A stale file whose pid another program has got since would make PostgreSQL refuse to start.
  if (ended) return rm(previous.pidFile, { force: true });
  const pid = await previousPid(previous);
  const { name, commandPart } = previous;
  throw new StartupError(
    `${name} of an earlier start (process ${pid}) still uses ${commandPart}: end it with "kill -INT ${pid}".`,
  );
}
