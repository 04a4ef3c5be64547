// What a benchmark has measured: runs become figures, or the reason why there is none.

/** One measurement, beside its limit as measured next to it. */
export interface Run {
  value: number;
  limit?: number | undefined;
  p50Ms?: number | undefined;
  p99Ms?: number | undefined;
  /** How often each thing went wrong. A figure is not printed where there is any. */
  errors?: Readonly<Record<string, number>> | undefined;
}

/** The same measurement, repeated. */
export interface Series {
  /** The group, such as accept. */
  name: string;
  variant: string;
  unit: string;
  /** What the limit is; empty where there is none. */
  limitName: string;
  runs: Run[];
}

export interface Figure {
  name: string;
  variant: string;
  /** The median of the runs, like all that follows. */
  value: number;
  min: number;
  max: number;
  unit: string;
  limitName: string;
  limit: number | null;
  /** The median of each run's own ratio: what else the machine did fell on both. */
  ratio: number | null;
  p50Ms: number | null;
  p99Ms: number | null;
}

export interface Refused {
  name: string;
  variant: string;
  why: string;
}

export const newSeries = (about: { name: string; variant: string; unit: string; limitName?: string }): Series => ({
  limitName: "",
  ...about,
  runs: [],
});

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** A run in one line, for whoever waits. */
export function runLine({ value, limit, p50Ms, p99Ms }: Run): string {
  const beside = limit === undefined ? "" : `, limit ${text(limit)}`;
  const times = p99Ms === undefined ? "" : `, p50 ${text(p50Ms ?? null)} ms, p99 ${text(p99Ms)} ms`;
  return `${text(value)}${beside}${times}`;
}

/** The figure of a series, or why it has none. */
export function figureOf(series: Series): Figure | Refused {
  const { name, variant, unit, limitName, runs } = series;
  const why = whyNot(runs);
  if (why !== undefined) return { name, variant, why };
  const values = runs.map(({ value }) => value);
  const medianOf = (pick: (run: Run) => number | undefined): number | null => {
    const known = runs.flatMap((run) => pick(run) ?? []);
    return known.length === 0 ? null : median(known);
  };
  return {
    name,
    variant,
    value: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
    unit,
    limitName,
    limit: medianOf(({ limit }) => limit),
    ratio: medianOf(({ value, limit }) => (limit === undefined ? undefined : value / limit)),
    p50Ms: medianOf(({ p50Ms }) => p50Ms),
    p99Ms: medianOf(({ p99Ms }) => p99Ms),
  };
}

function whyNot(runs: readonly Run[]): string | undefined {
  if (runs.length === 0) return "it was not measured";
  const errors = new Map<string, number>();
  for (const run of runs) {
    for (const [error, times] of Object.entries(run.errors ?? {})) errors.set(error, (errors.get(error) ?? 0) + times);
  }
  if (errors.size > 0) return [...errors].map(([error, times]) => `${times} × ${error}`).join("; ");
  // Nothing was measured where nothing happened.
  return runs.every(({ value }) => Number.isFinite(value)) ? undefined : "a run came to no number";
}

export const isRefused = (result: Figure | Refused): result is Refused => "why" in result;

const digits = (value: number): number => (Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
const text = (value: number | null): string =>
  value === null ? "" : value.toLocaleString("en-US", { maximumFractionDigits: digits(value) });

/** The figures as a table for people. */
export function figureTable(figures: readonly Figure[]): string {
  const heads = ["", "", "value", "min..max", "unit", "limit", "ratio", "p50 ms", "p99 ms", "limit is"];
  const rows = figures.map((figure) => [
    figure.name,
    figure.variant,
    text(figure.value),
    `${text(figure.min)}..${text(figure.max)}`,
    figure.unit,
    text(figure.limit),
    figure.ratio === null ? "" : figure.ratio.toFixed(2),
    text(figure.p50Ms),
    text(figure.p99Ms),
    figure.limitName,
  ]);
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const isText = (column: number): boolean => column < 2 || column === 4 || column === heads.length - 1;
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd();
  return [heads, ...rows].map(line).join("\n");
}

export const figuresJson = (figures: readonly Figure[]): string => `${JSON.stringify(figures, undefined, 2)}\n`;
