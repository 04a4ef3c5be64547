// A steady stream of events through the probe, and what is to be said of it while a fault passes.
import { expect } from "vitest";
import type { Probe } from "../delivery/probe.ts";
import { until } from "../support/until.ts";

const sendEveryMs = 100;
const keys = Array.from({ length: 10 }, (_, index) => `key${index}`);
const calmMs = 2_000;

export interface Passing {
  sent: number;
  /** The longest time in which no event was handled. */
  gapMs: number;
  /** The longest time in which none of any one key was. */
  keyGapMs: number;
}

export interface Watch {
  /** To be called when an event is handled. */
  handled(label: string): void;
  longestGaps(): { gapMs: number; keyGapMs: number };
}

/** Measures the time between events that are handled. */
export function watchGaps(): Watch {
  const timesByKey = new Map<string, number[]>();
  const longest = (times: readonly number[]): number =>
    Math.round(Math.max(0, ...times.slice(1).map((time, index) => time - (times[index] ?? time))));
  return {
    handled: (label) => {
      const [key = ""] = label.split(" ");
      const times = timesByKey.get(key) ?? [];
      times.push(performance.now());
      timesByKey.set(key, times);
    },
    longestGaps: () => {
      const all = [...timesByKey.values()];
      return {
        gapMs: longest(all.flat().toSorted((one, other) => one - other)),
        keyGapMs: Math.max(0, ...all.map(longest)),
      };
    },
  };
}

/**
 * Sends a hundred events a second about ten keys, lets the fault happen among them, and goes on until events flow again.
 * Then all of them must have had their effect once, and those of each key in the order in which they were sent.
 */
export async function passUnderLoad(
  { probe, watch, round }: { probe: Probe; watch: Watch; round: string },
  fault: () => Promise<unknown>,
): Promise<Passing> {
  let sent = 0;
  const over = new AbortController();
  let sending: Promise<string[]> = Promise.resolve([]);
  // One after the other: of two transactions at once nobody knows which writes first.
  const send = (): Promise<string[]> => {
    sending = sending.then(() => {
      sent += 1;
      return probe.send(...keys.map((key) => ({ key: `${round}-${key}`, label: `${key} ${sent}` })));
    });
    return sending;
  };
  const flowing = (async () => {
    while (!over.signal.aborted) await Promise.all([send(), pause(sendEveryMs)]);
  })();
  await pause(calmMs);
  await fault();
  await hasEffect(probe, (await send()).at(-1));
  await pause(calmMs);
  over.abort();
  await flowing;
  await hasEffect(probe, (await send()).at(-1));
  await expectAllOnceInOrder(probe, { round, sent });
  return { sent: sent * keys.length, ...watch.longestGaps() };
}

/** The pace of the load; nothing is waited for. */
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function hasEffect(probe: Probe, eventId: string | undefined): Promise<void> {
  await until(
    async () => {
      const found = await probe.runtime.db.selectFrom("effect").select("id").where("event_id", "=", `${eventId}`).execute();
      return found.length > 0;
    },
    { timeoutMs: 60_000 },
  );
}

async function expectAllOnceInOrder(probe: Probe, { round, sent }: { round: string; sent: number }): Promise<void> {
  const labelsByKey = async (): Promise<Map<string, string[]>> => {
    const effects = (await probe.effects()).filter(({ key }) => key.startsWith(`${round}-`));
    const grouped = Map.groupBy(effects, ({ key }) => key);
    return new Map([...grouped].map(([key, ofKey]) => [key, ofKey.map(({ label }) => label)]));
  };
  const all = sent * keys.length;
  await until(async () => [...(await labelsByKey()).values()].reduce((sum, labels) => sum + labels.length, 0) >= all, {
    timeoutMs: 60_000,
  });
  const labels = await labelsByKey();
  for (const key of keys) {
    expect(labels.get(`${round}-${key}`), key).toEqual(Array.from({ length: sent }, (_, index) => `${key} ${index + 1}`));
  }
}
