// All that was asked about one order, and what was answered.
import type { Outcome } from "./command.ts";
import type { Content } from "./goods.ts";
import type { Wish } from "./plan-changes.ts";
import type { PlannedReturn, ReturnCommand } from "./plan-returns.ts";
import type { Shape } from "./traffic.ts";

export interface Asked {
  key: string;
  shape: Shape;
  /** What was ordered. */
  content: Content;
  /** Of the order's own command and, where it was repeated, of its repeats. */
  placed: Outcome[];
  cancelled?: Outcome;
  decided?: { decision: string; outcome: Outcome };
  /** What the buyer has answered its bank. */
  proved?: { isApproved: boolean; outcome: Outcome };
  refunds?: { outcome: Outcome; /** Undefined for all that was taken. */ minorUnits?: number }[];
  returned?: Outcome;
  split?: Outcome;
  /** In the order in which they were confirmed; those that were only looked at are not among them. */
  changes?: AskedChange[];
  sentBack?: AskedReturn[];
}

export interface AskedChange {
  /** Under which it was confirmed. */
  key: string;
  wish: Wish;
  /** What the preview has said it would cost; minor units. */
  shownTotal: number;
  /** Of the confirmation and, where it was repeated, of its repeat. */
  confirmed: Outcome[];
  /** Another one that was previewed at the same moment and confirmed before or beside it: one of both at most can be. */
  rival?: string;
}

export interface AskedReturn {
  key: string;
  planned: PlannedReturn;
  requested: Outcome;
  commands: { command: ReturnCommand; outcome: Outcome }[];
}

/** Of everything that was asked about an order. */
export const outcomesOf = ({ placed, cancelled, decided, proved, refunds = [], returned, split, ...more }: Asked): Outcome[] =>
  [
    ...placed,
    cancelled,
    decided?.outcome,
    proved?.outcome,
    ...refunds.map(({ outcome }) => outcome),
    returned,
    split,
    ...(more.changes ?? []).flatMap(({ confirmed }) => confirmed),
    ...(more.sentBack ?? []).flatMap(({ requested, commands }) => [requested, ...commands.map(({ outcome }) => outcome)]),
  ].filter((outcome) => outcome !== undefined);
