// What becomes of one notification after an attempt to send it.
import type { Channel, Fact, FactData, Money } from "./facts.ts";
import type { Content } from "./render.ts";

export const states = ["PLANNED", "SENDING", "SENT", "SKIPPED", "FAILED", "UNKNOWN"] as const;
export type State = (typeof states)[number];

/** A message as it is handed over; kept from the claim until its outcome is known, and not longer. */
export interface Message extends Content {
  to: string;
}

export interface Notification {
  notificationId: string;
  orderId: string;
  /** Empty where the order was not heard of. */
  customerId: string;
  fact: Fact;
  channel: Channel;
  state: State;
  reason: string;
  provider: string;
  language: string;
  attempts: number;
  data: FactData;
  total: Money | null;
  message: Message | null;
  /** When it was first claimed; repeats under the same key are one message for some time after it. */
  claimTime: Date | null;
  factTime: Date;
  updateTime: Date;
}

/** How an attempt ended. */
export type Outcome =
  | { kind: "nothing" }
  | { kind: "skipped"; reason: string }
  | { kind: "sent" }
  /** Certainly not taken. */
  | { kind: "not_sent"; reason: string; attempts: number }
  /** Perhaps taken. May be repeated only where repeats are one message. */
  | { kind: "unknown"; reason: string; attempts: number; mayRepeat: boolean };

/** Where the row goes, and in how many milliseconds it is tried again. */
export interface Settled {
  state: State;
  reason: string;
  againInMs?: number;
}

/** Half a day in all: a mail server that is away for a night is waited for. */
export const mailRetryMs: readonly number[] = [5_000, 30_000, 120_000, 600_000, 3_600_000, 10_800_000, 28_800_000];

export function settle(outcome: Exclude<Outcome, { kind: "nothing" }>, retryMs: readonly number[]): Settled {
  switch (outcome.kind) {
    case "sent":
      return { state: "SENT", reason: "" };
    case "skipped":
      return { state: "SKIPPED", reason: outcome.reason };
    case "not_sent": {
      const againInMs = retryMs[outcome.attempts - 1];
      return againInMs === undefined
        ? { state: "FAILED", reason: outcome.reason }
        : { state: "PLANNED", reason: outcome.reason, againInMs };
    }
    case "unknown": {
      const againInMs = outcome.mayRepeat ? retryMs[outcome.attempts - 1] : undefined;
      return againInMs === undefined
        ? { state: "UNKNOWN", reason: outcome.reason }
        : { state: "SENDING", reason: outcome.reason, againInMs };
    }
  }
}
