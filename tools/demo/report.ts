// What a demonstration run has come to, as a table that adds up.
import type { Outcome } from "./place.ts";

/** The value below which the given share of the sorted values lies. */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function timeLine(name: string, values: readonly number[]): string {
  if (values.length === 0) return `  ${name.padEnd(22)} none`;
  const sorted = values.toSorted((one, other) => one - other);
  const [median, high] = [percentile(sorted, 0.5), percentile(sorted, 0.99)];
  return `  ${name.padEnd(22)} ${median.toFixed(0).padStart(7)} ms median ${high.toFixed(0).padStart(8)} ms p99   (${values.length} orders)`;
}

export interface Report {
  text: string;
  /** False where an order failed, was lost from sight, or the sum is not what was asked for. */
  addsUp: boolean;
}

export function report(outcomes: readonly Outcome[], asked: number): Report {
  const counts = [...Map.groupBy(outcomes, (outcome) => outcome.fate)]
    .map(([fate, group]) => ({ fate, count: group.length }))
    .toSorted((one, other) => other.count - one.count);
  const sum = counts.reduce((total, { count }) => total + count, 0);
  const isStrange = counts.some(({ fate }) => /^(failed|not followed|pending|unknown)/.test(fate));
  const valuesOf = (pick: (outcome: Outcome) => number | undefined): number[] =>
    outcomes.map(pick).filter((value) => value !== undefined);
  const lines = [
    "",
    "Outcomes",
    ...counts.map(({ fate, count }) => `  ${fate.padEnd(44)} ${String(count).padStart(7)}`),
    `  ${"sum".padEnd(44)} ${String(sum).padStart(7)}  of ${asked} asked for`,
    "",
    "Times",
    timeLine(
      "asked → accepted",
      valuesOf((outcome) => outcome.acceptMs),
    ),
    timeLine(
      "placed → ready",
      valuesOf((outcome) => outcome.readyMs),
    ),
    timeLine(
      "placed → delivered",
      valuesOf((outcome) => outcome.deliveredMs),
    ),
    "",
  ];
  return { text: lines.join("\n"), addsUp: sum === asked && !isStrange };
}
