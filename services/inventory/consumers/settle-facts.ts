// The one way in which facts about orders change stock: lock, settle, save, plan the holds' ends, announce.
import type { Transaction } from "kysely";
import type { Clock } from "#runtime/clock.ts";
import { RefusedEvent } from "#runtime/events/hearing.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import type { Logger } from "#runtime/log.ts";
import { cancelDue, planDue } from "#runtime/schedule/due-work.ts";
import { holdExpiryKind, skusTouched } from "../domain/reservation.ts";
import { keyOf, settle, type Books, type OrderFact, type Settlement } from "../domain/settle.ts";
import { endChanges, type EndedChange } from "../store/changes.ts";
import { insertMovements } from "../store/movements.ts";
import { insertReservations, lockReservations, saveReservations } from "../store/reservations.ts";
import { lockStock, saveStock } from "../store/stock.ts";
import type { InventoryTables } from "../store/tables.ts";
import { announcementEvent } from "./announce.ts";

export type SettleFacts = (tx: Transaction<InventoryTables>, facts: readonly OrderFact[]) => Promise<void>;

type Settled = Extract<Settlement, { kind: "settled" }>;

export function factSettler({ clock, log, holdGraceMs }: { clock: Clock; log: Logger; holdGraceMs: number }): SettleFacts {
  return async (tx, facts) => {
    const now = clock.now();
    const [before] = await Promise.all([lockBooks(tx, facts), cancelHoldExpiry(tx, facts)]);
    const settlement = settle(before, facts);
    if (settlement.kind === "refused") throw new RefusedEvent(settlement.code, settlement.message);
    await Promise.all([
      endChanges(tx, endedBy(facts), now),
      saveBooks(tx, { before, settlement, now }),
      planHoldExpiry(tx, { facts, after: settlement.books, holdGraceMs }),
      appendEvents(
        tx,
        settlement.announcements.map((announcement) => announcementEvent(announcement, now)),
      ),
    ]);
    for (const announcement of settlement.announcements) {
      if (announcement.kind !== "low") continue;
      const { tenant, sku, onHand, threshold } = announcement;
      log.warn({ tenant, sku, onHand, threshold }, "stock_low");
    }
  };
}

const endedBy = (facts: readonly OrderFact[]): EndedChange[] =>
  facts.flatMap(({ tenant, orderId, change }) =>
    change.kind === "changed" ? [{ tenant, orderId, changeId: change.changeId }] : [],
  );

/** Every fact but the first, and changes of it, ends the wait of a hold, or finds none. */
async function cancelHoldExpiry(tx: Transaction<InventoryTables>, facts: readonly OrderFact[]): Promise<void> {
  const ended = facts.filter(({ change: { kind } }) => kind !== "created" && kind !== "changing" && kind !== "changed");
  await cancelDue(
    tx,
    holdExpiryKind,
    ended.map(({ tenant, orderId }) => ({ tenant, key: orderId })),
  );
}

async function lockBooks(tx: Transaction<InventoryTables>, facts: readonly OrderFact[]): Promise<Books> {
  const locked = await lockReservations(tx, facts);
  const reservations = new Map(locked.map((reservation) => [keyOf(reservation.tenant, reservation.orderId), reservation]));
  const skus = new Map(
    facts.flatMap(({ tenant, orderId, change }) =>
      skusTouched(reservations.get(keyOf(tenant, orderId)), change).map((sku) => [keyOf(tenant, sku), { tenant, sku }] as const),
    ),
  );
  const stock = await lockStock(tx, [...skus.values()]);
  return { reservations, stock: new Map(stock.map((one) => [keyOf(one.tenant, one.sku), one])) };
}

async function saveBooks(
  tx: Transaction<InventoryTables>,
  { before, settlement, now }: { before: Books; settlement: Settled; now: Date },
): Promise<void> {
  const { books, departures } = settlement;
  const reservations = differences(before.reservations, books.reservations);
  const movements = departures.map(({ tenant, sku, quantity, orderId, shipmentId }) => ({
    tenant,
    sku,
    type: "SHIPMENT" as const,
    quantity: -quantity,
    reason: "left the warehouse for an order",
    orderId,
    shipmentId,
  }));
  await Promise.all([
    insertReservations(tx, reservations.added, now),
    saveReservations(tx, reservations.changed, now),
    saveStock(tx, differences(before.stock, books.stock).changed, now),
    insertMovements(tx, movements, now),
  ]);
}

/** What settling has replaced: an unchanged entry is the same object. */
function differences<Item>(before: ReadonlyMap<string, Item>, after: ReadonlyMap<string, Item>) {
  const added: Item[] = [];
  const changed: { before: Item; after: Item }[] = [];
  for (const [key, item] of after) {
    const old = before.get(key);
    if (old === undefined) added.push(item);
    else if (old !== item) changed.push({ before: old, after: item });
  }
  return { added, changed };
}

/** The order decides at its own time; the grace lets it speak first. */
async function planHoldExpiry(
  tx: Transaction<InventoryTables>,
  { facts, after, holdGraceMs }: { facts: readonly OrderFact[]; after: Books; holdGraceMs: number },
): Promise<void> {
  const planned = facts.flatMap(({ tenant, orderId, change, cause }) => {
    if (change.kind !== "created" || after.reservations.get(keyOf(tenant, orderId))?.state !== "HELD") return [];
    const due = { at: new Date(change.expireTime.getTime() + holdGraceMs) };
    return [{ kind: holdExpiryKind, tenant, key: orderId, due, cause }];
  });
  await planDue(tx, planned);
}
