// Saves what was decided, together with the events that tell it.
import type { Transaction } from "kysely";
import { appendEvents } from "#runtime/events/outbox.ts";
import type { Cause } from "#runtime/events/outgoing.ts";
import { cancelDue } from "#runtime/schedule/due-work.ts";
import type { Announcement } from "../domain/facts.ts";
import { announce } from "./build.ts";
import { keyOf, readLines, saveOrders, type LockedOrder } from "../store/progress.ts";
import type { OrdersTables } from "../store/tables.ts";

/** Kind of the due work that ends an order whose time is over. */
export const expireKind = "orders.expire";

export interface Announced {
  order: LockedOrder;
  announcement: Announcement;
  cause: Cause;
}

export async function announceAndSave(
  tx: Transaction<OrdersTables>,
  { changed, announced, now }: { changed: readonly LockedOrder[]; announced: readonly Announced[]; now: Date },
): Promise<void> {
  const ready = announced.filter(({ announcement }) => announcement === "ready").map(({ order }) => order);
  const lines = await readLines(tx, ready);
  const events = announced.map(({ order, announcement, cause }) =>
    announce(order, announcement, { lines: lines.get(keyOf(order)) ?? [], time: now, cause }),
  );
  await saveOrders(tx, changed, now);
  await appendEvents(tx, events);
  const settled = announced.filter(({ announcement }) => announcement === "ready" || announcement === "cancelled");
  await cancelDue(
    tx,
    expireKind,
    settled.map(({ order }) => ({ tenant: order.tenant, key: order.orderId })),
  );
}
