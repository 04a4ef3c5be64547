// Runs every property on as many inputs as were asked for, in rounds, each of a seed that follows from the first.
import fc from "fast-check";
import { startFuzzedEdge, type FuzzedEdge } from "./edge.ts";
import { hostile } from "./hostile.ts";
import { roundTrips } from "./round-trips.ts";
import { templates } from "./templates.ts";
import { uploads } from "./uploads.ts";

export interface FuzzReport {
  seed: number;
  /** By property. */
  inputs: Record<string, number>;
  sum: number;
  seconds: number;
}

/** So that a failure is told soon. */
const roundMax = 10_000;
/** Out of a hundred inputs: what is cheap, and what has the most ways to go wrong, more often. */
const shares: Record<string, number> = {
  templates: 25,
  hostile: 25,
  body: 9,
  query: 9,
  mixed: 8,
  scalars: 7,
  older: 5,
  pieces: 4,
  lines: 4,
  brokenUploads: 4,
};

// oxlint-disable-next-line typescript/no-explicit-any -- properties of different inputs, which only fast-check looks at
type AnyProperty = fc.IRawProperty<any>;

const propertiesOf = (edge: FuzzedEdge): Record<string, AnyProperty> => ({
  templates,
  ...roundTrips(edge),
  ...uploads(edge),
  hostile: hostile(edge),
});

/**
 * @param say Hears of each round.
 * @throws with the smallest input that was found, and how to have it again.
 */
export async function fuzz(options: { seed: number; inputs: number; say?: (line: string) => void }): Promise<FuzzReport> {
  const { seed, inputs, say = () => {} } = options;
  const startedMs = performance.now();
  const edge = await startFuzzedEdge();
  const done: Record<string, number> = {};
  try {
    const properties = Object.entries(propertiesOf(edge));
    for (let first = 0, round = 0; first < inputs; first += roundMax, round += 1) {
      const ofRound = Math.min(roundMax, inputs - first);
      for (const [name, property] of properties) {
        const numRuns = Math.ceil((ofRound * (shares[name] ?? 0)) / 100);
        await holds(name, property, { seed: seed + round, numRuns });
        done[name] = (done[name] ?? 0) + numRuns;
      }
      say(`${sumOf(done)} inputs after ${((performance.now() - startedMs) / 1_000).toFixed(0)} s`);
    }
  } finally {
    await edge.close();
  }
  return { seed, inputs: done, sum: sumOf(done), seconds: (performance.now() - startedMs) / 1_000 };
}

const sumOf = (counts: Record<string, number>): number => Object.values(counts).reduce((sum, count) => sum + count, 0);

async function holds(name: string, property: AnyProperty, { seed, numRuns }: { seed: number; numRuns: number }): Promise<void> {
  const details = await fc.check(property, { seed, numRuns });
  if (!details.failed) return;
  const { counterexample, counterexamplePath, errorInstance } = details;
  const why = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  throw new Error(`${name} does not hold, seed ${seed}, path ${counterexamplePath}:\n${fc.stringify(counterexample)}\n${why}`);
}

export const reportLine = ({ seed, inputs, sum, seconds }: FuzzReport): string =>
  `fuzz: seed ${seed}, ${sum} inputs in ${seconds.toFixed(1)} s (${Object.entries(inputs)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ")})`;
