// What each order has become by what was asked: its lines, how and where it is sent, what it costs; and that all services know it so.
import type { Asked } from "../asked.ts";
import { costOf, type Content, type Product } from "../goods.ts";
import type { Wish } from "../plan-changes.ts";
import type { Books } from "./books.ts";
import type { UnitsRow } from "./change-books.ts";
import { findings, unlessEqual, type Disagreement, type Findings } from "./disagreement.ts";

/** What an order should be. */
export interface Expected {
  content: Content;
  /** What it has cost, at first and after each change. Minor units. */
  totals: number[];
}

const arrived: readonly string[] = ["delivered", "returned"];

/** By order. What was wanted instead of what came back is an order like the others. */
export function expectedContents(asked: readonly Asked[], books: Books, goods: readonly Product[]): Map<string, Expected> {
  const orders = new Map(books.orders.map((order) => [order.requestId, order]));
  const applied = new Set(
    books.changes.filter(({ state }) => state === "applied").map(({ orderId, requestId }) => `${orderId} ${requestId}`),
  );
  const expected = new Map<string, Expected>();
  const note = (requestId: string, content: Content, wishes: readonly Wish[] = []): Content => {
    const contents = wishes.reduce((all, wish) => [...all, withWish(all.at(-1) ?? content, wish)], [content]);
    const orderId = orders.get(requestId)?.orderId;
    if (orderId !== undefined) {
      expected.set(orderId, { content: contents.at(-1) ?? content, totals: contents.map((one) => costOf(one, goods)) });
    }
    return contents.at(-1) ?? content;
  };
  for (const { key, content, changes = [], sentBack = [] } of asked) {
    const orderId = orders.get(key)?.orderId ?? "";
    const wishes = changes.filter((change) => applied.has(`${orderId} ${change.key}`)).map(({ wish }) => wish);
    const last = note(key, content, wishes);
    for (const { requested, planned } of sentBack) {
      const items = planned.exchange;
      if (items && requested.kind === "accepted") note(String(requested.body["returnId"]), { ...last, items });
    }
  }
  return expected;
}

function withWish(content: Content, { lines, shippingMethod, shippingAddress }: Wish): Content {
  const units = new Map(content.items.map(({ sku, quantity }) => [sku, quantity]));
  for (const { sku, quantity } of lines) units.set(sku, quantity);
  return {
    items: [...units].map(([sku, quantity]) => ({ sku, quantity })).filter(({ quantity }) => quantity > 0),
    method: shippingMethod?.endsWith("EXPRESS") ? "EXPRESS" : shippingMethod ? "STANDARD" : content.method,
    street: shippingAddress ?? content.street,
  };
}

export const unitsText = (lines: readonly { sku: string; quantity: number }[]): string =>
  lines
    .filter(({ quantity }) => quantity !== 0)
    .map(({ sku, quantity }) => `${sku} × ${quantity}`)
    .toSorted()
    .join(", ");

/** By what they are about, each as unitsText. */
export const textsById = (rows: readonly UnitsRow[]): Map<string, string> =>
  new Map([...Map.groupBy(rows, ({ id }) => id)].map(([id, units]) => [id, unitsText(units)]));

export function checkContents(expected: ReadonlyMap<string, Expected>, books: Books): Findings {
  const items = textsById(books.items.map(({ orderId, ...line }) => ({ id: orderId, ...line })));
  const inventory = { reserved: textsById(books.reserved), departed: textsById(books.departed) };
  const packed = textsById(books.packed);
  const parcels = new Map(books.shipments.map((shipment) => [shipment.orderId, shipment]));
  return findings(books.orders, (order): (Disagreement | undefined)[] => {
    const { orderId: subject, state, total, method, street } = order;
    const should = expected.get(subject);
    // What nobody asked for is found elsewhere.
    if (!should) return [];
    const { content, totals } = should;
    const lines = unitsText(content.items);
    const is = (rule: string, what: string) => ({ rule, subject, what: `${state}, ${what}` });
    const whole = [
      unlessEqual(is("order_lines", "what is ordered"), items.get(subject) ?? "", lines),
      unlessEqual(is("order_total", "its total"), total, totals.at(-1) ?? 0),
      unlessEqual(is("order_method", "its method"), method, content.method),
      unlessEqual(is("order_street", "its street"), street ?? "", content.street.lines.join()),
    ];
    if (!arrived.includes(state)) return whole;
    const parcel = parcels.get(subject);
    return [
      ...whole,
      unlessEqual(is("parcel_lines", "in its parcel"), packed.get(subject) ?? "", lines),
      unlessEqual(is("parcel_method", "the method of its parcel"), parcel?.method ?? "", content.method),
      unlessEqual(is("parcel_street", "the street of its parcel"), parcel?.street ?? "", content.street.lines.join()),
      unlessEqual(is("reserved_lines", "held for it"), inventory.reserved.get(subject) ?? "", lines),
      unlessEqual(is("departed_lines", "gone from the shelf for it"), inventory.departed.get(subject) ?? "", lines),
    ];
  });
}
