// How many calls may be in hand at once: additive increase, multiplicative decrease, as TCP finds its share of a line (RFC 5681).
// By Little's law calls in hand are throughput times time in hand, so a bound on the first keeps the second.

export interface LimitBounds {
  callsMin: number;
  callsMax: number;
  /** Nine of ten calls are to be answered within it. Milliseconds. */
  targetMs: number;
  /** The event loop is to come round within it. Milliseconds. */
  loopDelayMsMax: number;
}

/** What happened since the limit was set. */
export interface LimitSample {
  /** Time in hand of the calls that ended, and of those that are late already. Milliseconds. */
  heldMs: readonly number[];
  inHandMax: number;
  loopDelayMs: number;
}

/** So much of the limit must have been in use for it to be what made calls fast or slow. */
const usedShareMin = 0.5;
const increaseShare = 0.05;
/** At most so much less at once: the calls of a sample began under the limit before, and have not felt the last decrease. */
const decreaseShareMax = 0.3;
const decreaseShareMin = 0.05;
/** Below this share of the target there is room for more. */
const easyShareMax = 0.8;

export function nextLimit(limit: number, sample: LimitSample, bounds: LimitBounds): number {
  if (sample.inHandMax < limit * usedShareMin) return limit;
  const load = Math.max(ninetiethPercentile(sample.heldMs) / bounds.targetMs, sample.loopDelayMs / bounds.loopDelayMsMax);
  if (load > 1) {
    const share = Math.min(Math.max(1 - 1 / load, decreaseShareMin), decreaseShareMax);
    return Math.max(bounds.callsMin, Math.floor(limit * (1 - share)));
  }
  if (load > easyShareMax) return limit;
  return Math.min(bounds.callsMax, limit + Math.max(1, Math.floor(limit * increaseShare)));
}

function ninetiethPercentile(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.ceil(sorted.length * 0.9) - 1] ?? 0;
}
