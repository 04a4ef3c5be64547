// Saves what was decided, together with the events that tell it.
import type { Transaction } from "kysely";
import { appendEvents } from "#runtime/events/outbox.ts";
import type { Cause } from "#runtime/events/outgoing.ts";
import { cancelDue, planDue } from "#runtime/schedule/due-work.ts";
import { expireKind, isPlanned, releaseKind } from "../store/audit.ts";
import { announce } from "./build.ts";
import { eraseAnnounced, erasedAmong } from "./erase.ts";
import type { Announced } from "./announced.ts";
import { keyOf, readLines, saveOrders, type LockedOrder } from "../store/progress.ts";
import type { OrdersTables } from "../store/tables.ts";

const tellsLines: ReadonlySet<Announced["announcement"]> = new Set<Announced["announcement"]>([
  "created",
  "payment_due",
  "ready",
]);

export async function announceAndSave(
  tx: Transaction<OrdersTables>,
  { changed, announced, now }: { changed: readonly LockedOrder[]; announced: readonly Announced[]; now: Date },
): Promise<void> {
  const withLines = announced.filter(({ announcement }) => tellsLines.has(announcement));
  const lines = await readLines(
    tx,
    withLines.map(({ order }) => order),
  );
  const events = announced.map(({ order, announcement, cause }) =>
    announce(order, announcement, { lines: lines.get(keyOf(order)) ?? [], time: now, cause }),
  );
  const ended = announced.filter(({ announcement }) => announcement === "cancelled");
  const settled = announced.filter(({ announcement }) => announcement === "ready" || announcement === "cancelled");
  const [erased] = await Promise.all([
    erasedAmong(tx, announced),
    saveOrders(tx, changed, now),
    appendEvents(tx, events),
    cancelDue(
      tx,
      expireKind,
      settled.map(({ order }) => ({ tenant: order.tenant, key: order.orderId })),
    ),
    cancelDue(
      tx,
      releaseKind,
      ended.map(({ order }) => ({ tenant: order.tenant, key: order.orderId })),
    ),
  ]);
  await eraseAnnounced(tx, erased, now);
}

/**
 * Plans the end of an order that waits for its time, or its release, where nothing is planned. The order must be locked: whoever
 * is bringing it on either has, or will find it as it is now. Answers whether something was planned.
 */
export async function resumeWaiting(tx: Transaction<OrdersTables>, order: LockedOrder, cause: Cause): Promise<boolean> {
  const { tenant, orderId, expireTime, processAfter, progress } = order;
  const isScheduled = progress.state === "scheduled" && processAfter !== null;
  const [kind, at] = isScheduled ? [releaseKind, processAfter] : [expireKind, expireTime];
  if (await isPlanned(tx, kind, order)) return false;
  await planDue(tx, [{ kind, tenant, key: orderId, due: { at }, cause }]);
  return true;
}
