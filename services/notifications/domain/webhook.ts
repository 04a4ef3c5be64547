// What becomes of a delivery and of its endpoint after a call.

export type DeliveryState = "PENDING" | "DELIVERED" | "FAILED" | "WITHHELD";
export type EndpointState = "ENABLED" | "DISABLED";
export type DisableReason = "REQUESTED" | "GONE" | "FAILING";

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;

/** More than a day in all, as the specification's example has it. */
export const webhookRetryMs: readonly number[] = [
  5 * secondMs,
  5 * minuteMs,
  30 * minuteMs,
  2 * hourMs,
  5 * hourMs,
  10 * hourMs,
  10 * hourMs,
];

/** Many that failed together are not to come again together: from four fifths to six fifths of the wait, by a number below 1. */
const withJitter = (delayMs: number, chance: number): number => Math.round(delayMs * (0.8 + 0.4 * chance));

export const isTaken = (statusCode: number): boolean => statusCode >= 200 && statusCode < 300;
const goneStatus = 410;

export interface AfterCall {
  state: DeliveryState;
  /** Milliseconds until it is tried again. */
  againInMs?: number;
}

export function afterCall(
  statusCode: number,
  { attempt, retryMs, chance }: { attempt: number; retryMs: readonly number[]; chance: number },
): AfterCall {
  if (isTaken(statusCode)) return { state: "DELIVERED" };
  const delayMs = retryMs[attempt - 1];
  return delayMs === undefined ? { state: "FAILED" } : { state: "PENDING", againInMs: withJitter(delayMs, chance) };
}

export interface Health {
  /** Calls in a row that have failed. */
  failures: number;
  failingSince: Date | null;
}

/** Not a few of them, so that a shop with an order a week is not cut off for one bad night. */
export const failuresMin = 10;

/** The endpoint after the calls of one round; one that was taken makes good those that were not. */
export function healthAfter(
  { failures, failingSince }: Health,
  statusCodes: readonly number[],
  { now, disableAfterMs }: { now: Date; disableAfterMs: number },
): Health & { disable?: DisableReason } {
  if (statusCodes.length === 0) return { failures, failingSince };
  if (statusCodes.includes(goneStatus))
    return { failures: failures + statusCodes.length, failingSince: failingSince ?? now, disable: "GONE" };
  if (statusCodes.some(isTaken)) return { failures: 0, failingSince: null };
  const after = { failures: failures + statusCodes.length, failingSince: failingSince ?? now };
  const isLong = now.getTime() - after.failingSince.getTime() >= disableAfterMs;
  return isLong && after.failures >= failuresMin ? { ...after, disable: "FAILING" } : after;
}
