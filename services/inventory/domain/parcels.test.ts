// A reservation that leaves in several parcels: units that were held, and no others, each parcel once.
import { expect, test } from "vitest";
import { decide, stillHere, type OrderChange, type Reservation } from "./reservation.ts";
import { settle, type OrderFact } from "./settle.ts";

const lines = [
  { sku: "MUG", quantity: 3 },
  { sku: "TEA", quantity: 1 },
];
const held: Reservation = {
  tenant: "demo",
  orderId: "ord_1",
  state: "HELD",
  releaseReason: undefined,
  lines,
  parcels: [],
  expireTime: undefined,
  sequence: 1,
};
const stockOf = (sku: string) => ({ tenant: "demo", sku, onHand: 10, reserved: 3, lowStockThreshold: 0, sequence: 0 });
const books = {
  reservations: new Map([["demo.ord_1", held]]),
  stock: new Map([
    ["demo.MUG", stockOf("MUG")],
    ["demo.TEA", { ...stockOf("TEA"), reserved: 1 }],
  ]),
};

const fact = (change: OrderChange): OrderFact => ({
  tenant: "demo",
  orderId: "ord_1",
  change,
  cause: { id: "evt_1", traceparent: "" },
});
const left = (shipmentId: string, mugs: number, tea = 0): OrderFact => {
  const units = [
    { sku: "MUG", quantity: mugs },
    { sku: "TEA", quantity: tea },
  ].filter(({ quantity }) => quantity > 0);
  return fact({ kind: "dispatched", part: { shipmentId, lines: units } });
};

function settled(...facts: OrderFact[]) {
  const outcome = settle(books, facts);
  if (outcome.kind === "refused") return outcome.code;
  const reservation = outcome.books.reservations.get("demo.ord_1");
  const stock = ["MUG", "TEA"].map((sku) => outcome.books.stock.get(`demo.${sku}`));
  return {
    state: reservation?.state,
    here: stillHere(reservation?.lines ?? []).map(({ sku, quantity }) => `${quantity} ${sku}`),
    stock: stock.map((one) => [one?.onHand, one?.reserved]),
    moved: outcome.departures.map(({ sku, quantity, shipmentId }) => `${quantity} ${sku} ${shipmentId}`),
  };
}

test("each parcel takes its own units, once, and the last one ends the hold", () => {
  const first = [left("shp_1", 2), left("shp_1", 2)];
  expect(settled(...first)).toEqual({
    state: "FIRM",
    here: ["1 MUG", "1 TEA"],
    stock: [
      [8, 1],
      [10, 1],
    ],
    moved: ["2 MUG shp_1"],
  });
  expect(settled(...first, left("shp_2", 1, 1), left("shp_2", 1, 1), left("shp_1", 2))).toMatchObject({
    state: "SHIPPED",
    stock: [
      [7, 0],
      [9, 0],
    ],
    moved: ["2 MUG shp_1", "1 MUG shp_2", "1 TEA shp_2"],
  });
});

test("an event of before there were several parcels takes all that is still here", () => {
  expect(settled(fact({ kind: "dispatched" }))).toMatchObject({ state: "SHIPPED", moved: ["3 MUG ", "1 TEA "] });
  expect(settled(left("shp_1", 2), fact({ kind: "dispatched" }))).toMatchObject({
    state: "SHIPPED",
    moved: ["2 MUG shp_1", "1 MUG ", "1 TEA "],
  });
});

test("a cancellation gives back what has not left", () => {
  expect(settled(left("shp_1", 2), fact({ kind: "cancelled" }))).toMatchObject({
    state: "RELEASED",
    stock: [
      [8, 0],
      [10, 0],
    ],
  });
});

test("where the hold was given back each parcel comes out of what is free, and what comes late holds nothing again", () => {
  const withdrawn = fact({ kind: "withdrawn" });
  const expired = fact({ kind: "hold_expired", order: "unknown" });
  for (const lost of [withdrawn, expired]) {
    expect(settled(lost, left("shp_1", 2), left("shp_1", 2), fact({ kind: "ready" }))).toEqual({
      state: "RELEASED",
      here: ["1 MUG", "1 TEA"],
      stock: [
        [8, 0],
        [10, 0],
      ],
      moved: ["2 MUG shp_1"],
    });
    expect(settled(lost, left("shp_1", 2), left("shp_2", 1, 1))).toMatchObject({
      state: "SHIPPED",
      stock: [
        [7, 0],
        [9, 0],
      ],
    });
  }
});

test.each([
  { why: "more than is held", facts: [left("shp_1", 4)], code: "RESERVATION_NOT_HELD" },
  { why: "more than is left", facts: [left("shp_1", 2), left("shp_2", 2)], code: "RESERVATION_NOT_HELD" },
  {
    why: "other units after one has left",
    facts: [left("shp_1", 2), fact({ kind: "changed", changeId: "chg_1", lines: [{ sku: "MUG", quantity: 3 }] })],
    code: "CHANGED_AFTER_DISPATCH",
  },
])("$why is for a person: $code", ({ facts, code }) => {
  expect(settled(...facts)).toBe(code);
});

test("once one has left, nothing is added, and what stays the same may be said again", () => {
  const part: Reservation = { ...held, state: "FIRM", parcels: ["shp_1"], lines: [{ sku: "MUG", quantity: 3, shipped: 2 }] };
  const same = [{ sku: "MUG", quantity: 3 }];
  expect(decide(part, { kind: "changing", lines: same })).toMatchObject({ code: "RESERVATION_NOT_HELD" });
  expect(decide(part, { kind: "changed", changeId: "chg_1", lines: same })).toEqual({ kind: "nothing" });
});
