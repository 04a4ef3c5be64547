// The process that watches. Started by watch-load.ts.
import { Agent, get, type IncomingMessage } from "node:http";
import { clientTokens } from "../operator.ts";
import type { FromWatchers, ToWatchers, WatchOptions, WatchResult } from "./watch-load.ts";

const result: WatchResult = { seenMs: [], errors: {} };
const tell = (message: FromWatchers): void => void process.send?.(message);
/** So many connections are opened at once. */
const openingMax = 50;

interface SeenEvent {
  entry?: { state?: string };
  order?: { updateTime?: string };
}

function fail(reason: string): void {
  result.errors[reason] = (result.errors[reason] ?? 0) + 1;
}

/** An order is cancelled once, and that is its last change: so its last time is that of the change. */
function take(event: string): void {
  const data = event.split("\n").find((line) => line.startsWith("data: "));
  if (!data) return;
  const { entry, order } = JSON.parse(data.slice("data: ".length)) as SeenEvent;
  if (entry?.state !== "ORDER_STATE_CANCELLED") return;
  result.seenMs.push(Date.now() - Date.parse(order?.updateTime ?? ""));
}

function read(response: IncomingMessage, onFirst: () => void): void {
  let text = "";
  let isOver = false;
  response.setEncoding("utf8").on("data", (part: string) => {
    text += part;
    const events = text.split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) {
      if (event.startsWith("event: error")) fail(event);
      isOver ||= event.startsWith("event: end");
      take(event);
    }
    onFirst();
  });
  response.on("close", () => {
    if (!isOver) fail("a stream was cut");
  });
}

/** Ends when the first event is there: from then on nothing is missed. */
function open(url: URL, token: string, agent: Agent): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, accept: "text/event-stream" };
  return new Promise((resolve) => {
    const refused = (reason: string): void => {
      fail(reason);
      resolve();
    };
    get(url, { agent, headers }, (response) => {
      if (response.statusCode === 200) read(response, resolve);
      else refused(`refused with ${response.statusCode}`);
    }).on("error", (error) => refused(error.message));
  });
}

async function start({ edgeUrl, paths }: WatchOptions): Promise<void> {
  const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
  const token = await clientTokens({ edgeUrl })();
  const left = [...paths];
  const opener = async (): Promise<void> => {
    for (let path = left.pop(); path !== undefined; path = left.pop()) await open(new URL(path, edgeUrl), token, agent);
  };
  await Promise.all(Array.from({ length: openingMax }, opener));
  tell({ kind: "open" });
}

process.on("message", (message: ToWatchers) => {
  if (message.kind === "report") tell({ kind: "report", result });
  else void start(message.options);
});
// Whoever started us is gone: nobody is left to hear the result.
process.on("disconnect", () => process.exit(1));
