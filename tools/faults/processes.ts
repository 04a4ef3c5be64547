// The services as processes of their own, started again when they die, as an orchestrator does.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { FaultOrder } from "#runtime/faults.ts";
import { compileCache, root, startArgs } from "../command.ts";
import { throwAwayIdentity, withoutLimits } from "../operator.ts";

/** An orchestrator waits a moment before it starts again what has ended by itself. */
const restartDelayMs = 500;
const endGraceMs = 8_000;

export interface BenchProcess {
  name: string;
  /** Kills it as kill -9 does; it comes back after the time. */
  kill(downMs: number): void;
  signal(signal: NodeJS.Signals): void;
  /** Dies at the point, as often as it is passed. Empty disarms. */
  armCrash(point: string, pass: number): void;
  /** Stays through restarts: it is the machine's clock that is wrong. */
  setClock(offsetMs: number): void;
  /** How often it has died by a point that was armed, and how often for reasons of its own. */
  deaths(): { atPoints: string[]; byItself: number };
  end(): Promise<void>;
}

export interface ProcessOptions {
  name: string;
  /** All of them where it is undefined. */
  service?: string;
  env: Record<string, string>;
  logFolder: string;
}

export async function startProcess(options: ProcessOptions): Promise<BenchProcess> {
  const { name, logFolder } = options;
  const log = await open(join(logFolder, `${name}.log`), "a");
  const deaths = { atPoints: [] as string[], byItself: 0 };
  const stopping = new AbortController();
  let child: ChildProcess;
  let armed = "";
  let offsetMs = 0;
  /** Set while a kill of ours is under way. */
  let downMs: number | undefined;

  const launch = (): void => {
    // What it was told while it was down it hears now.
    const told = { ORDERMESH_TEST_CLOCK_OFFSET_MS: String(offsetMs), ORDERMESH_TEST_CRASH_AT: armed };
    const env = { ...options.env, ...told };
    child = spawnService({ ...options, env }, log);
    child.once("exit", onExit);
  };
  const onExit = (_code: number | null, signal: NodeJS.Signals | null): void => {
    const waitMs = downMs ?? restartDelayMs;
    if (downMs === undefined && !stopping.signal.aborted) {
      if (signal === "SIGKILL" && armed !== "") deaths.atPoints.push(armed.replace(/#\d+$/, ""));
      else deaths.byItself += 1;
    }
    downMs = undefined;
    armed = "";
    sleep(waitMs, undefined, { signal: stopping.signal }).then(launch, () => {});
  };
  const tell = (order: FaultOrder): void => {
    if (child.connected) child.send(order, () => {});
  };

  launch();
  return {
    name,
    kill: (forMs) => {
      if (child.kill("SIGKILL")) downMs = forMs;
    },
    signal: (signal) => void child.kill(signal),
    armCrash: (point, pass) => {
      armed = point === "" ? "" : `${point}#${pass}`;
      tell({ crashAt: armed });
    },
    setClock: (ms) => {
      offsetMs = ms;
      tell({ clockOffsetMs: ms });
    },
    deaths: () => deaths,
    end: async () => {
      stopping.abort();
      if (child.exitCode === null && child.signalCode === null) await endChild(child);
      await log.close();
    },
  };
}

function spawnService({ service, env }: Pick<ProcessOptions, "service" | "env">, log: FileHandle): ChildProcess {
  return spawn(process.execPath, [...startArgs, ...(service === undefined ? [] : ["--only", service])], {
    cwd: root,
    env: {
      PATH: process.env["PATH"] ?? "",
      NODE_COMPILE_CACHE: compileCache,
      ORDERMESH_TEST_FAULTS: "on",
      ...throwAwayIdentity,
      ...withoutLimits,
      ...env,
    },
    // Over the channel it is told what to break; and it ends when we do, however we end.
    stdio: ["ignore", log.fd, log.fd, "ipc"],
    // A session of its own: Ctrl-C reaches us alone, and we end our processes in order.
    detached: true,
  });
}

async function endChild(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  // One that is stopped does not hear a request to end.
  child.kill("SIGCONT");
  child.kill("SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), endGraceMs);
  await exited;
  clearTimeout(force);
}
