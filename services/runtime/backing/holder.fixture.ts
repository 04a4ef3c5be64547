import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface Holder {
  databaseUrl: string;
  natsUrl: string;
  /** The next line that the process prints. */
  nextLine: () => Promise<string>;
  /** To the process and everything in its group, as a terminal's Ctrl-C does. */
  signalGroup: (signal: NodeJS.Signals) => void;
  signal: (signal: NodeJS.Signals) => void;
  ended: Promise<unknown>;
}

/** Starts a process of its own that holds both servers; a temporary data folder when none is given. */
export async function startHolder(dataFolder = "", env: Record<string, string> = {}): Promise<Holder> {
  const script = fileURLToPath(new URL("hold.fixture.ts", import.meta.url));
  const child = spawn(process.execPath, [script, dataFolder], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => String((await lines.next()).value);
  const ended = once(child, "exit");
  const urls: { databaseUrl: string; natsUrl: string } = JSON.parse(await nextLine());
  const pid = child.pid ?? Number.NaN;
  return {
    ...urls,
    nextLine,
    ended,
    signalGroup: (signal) => process.kill(-pid, signal),
    signal: (signal) => process.kill(pid, signal),
  };
}

/** Whether something accepts connections where the URL points. */
export function accepts(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
