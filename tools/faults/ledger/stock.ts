// What is on the shelf is what was there at first without what has left and with what came back; nothing is held for orders that have ended.
import type { Product } from "../goods.ts";
import type { Books } from "./books.ts";
import type { ExpectedReturn } from "./returns.ts";
import { findings, unlessEqual, type Findings } from "./disagreement.ts";

const departed: readonly string[] = ["shipped", "delivered", "returned"];
const live: readonly string[] = ["HELD", "FIRM"];

export function checkStock(
  products: readonly Product[],
  { books, returns }: { books: Books; returns: readonly ExpectedReturn[] },
): Findings[] {
  const stateOf = new Map(books.orders.map(({ orderId, state }) => [orderId, state]));
  const left = new Map<string, number>();
  for (const { orderId, sku, quantity } of books.items) {
    if (departed.includes(stateOf.get(orderId) ?? "")) left.set(sku, (left.get(sku) ?? 0) + quantity);
  }
  for (const { sku, quantity } of returns.flatMap(({ restocked }) => restocked)) left.set(sku, (left.get(sku) ?? 0) - quantity);
  const isOpen = (orderId: string): boolean => !["delivered", "returned", "cancelled"].includes(stateOf.get(orderId) ?? "");
  const heldFor = books.reservations.filter(({ orderId, state }) => live.includes(state) && isOpen(orderId));
  const held = new Map<string, number>();
  const holders = new Set(heldFor.map(({ orderId }) => orderId));
  for (const { orderId, sku, quantity } of books.items) {
    if (holders.has(orderId)) held.set(sku, (held.get(sku) ?? 0) + quantity);
  }
  const stock = new Map(books.stock.map((row) => [row.sku, row]));
  return [
    findings(products, ({ sku, stock: first }) => {
      const row = stock.get(sku);
      if (!row) return [{ rule: "stock_missing", subject: sku, message: "it has no stock" }];
      const expected = first - (left.get(sku) ?? 0);
      return [
        unlessEqual({ rule: "stock_on_hand", subject: sku, what: "on hand" }, row.onHand, expected),
        unlessEqual({ rule: "stock_movements", subject: sku, what: "the sum of movements" }, row.moved, row.onHand),
        unlessEqual({ rule: "stock_reserved", subject: sku, what: "reserved" }, row.reserved, held.get(sku) ?? 0),
      ];
    }),
    findings(books.reservations, ({ orderId, state }) => [
      live.includes(state) && !isOpen(orderId)
        ? {
            rule: "hold_left",
            subject: orderId,
            message: `its hold is ${state}, and it is ${stateOf.get(orderId) ?? "no order"}`,
          }
        : undefined,
      state === "SHIPPED" && stateOf.get(orderId) === "cancelled"
        ? { rule: "shipped_and_cancelled", subject: orderId, message: "its goods have left, and it is cancelled" }
        : undefined,
    ]),
  ];
}
