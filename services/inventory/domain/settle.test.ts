import { expect, test } from "vitest";
import type { OrderChange } from "./reservation.ts";
import { keyOf, settle, type Books, type OrderFact, type Settlement } from "./settle.ts";

const expireTime = new Date("2026-01-01T00:30:00Z");

function shelf(units: Record<string, number>, tenant = "demo"): Books {
  const stock = Object.entries(units).map(
    ([sku, onHand]) => [keyOf(tenant, sku), { tenant, sku, onHand, reserved: 0, lowStockThreshold: 5, sequence: 0 }] as const,
  );
  return { reservations: new Map(), stock: new Map(stock) };
}

const fact = (orderId: string, change: OrderChange, tenant = "demo"): OrderFact => ({
  tenant,
  orderId,
  change,
  cause: { id: `evt_${orderId}`, traceparent: "" },
});

const created = (orderId: string, units: Record<string, number>, tenant = "demo"): OrderFact => {
  const lines = Object.entries(units).map(([sku, quantity]) => ({ sku, quantity }));
  return fact(orderId, { kind: "created", lines, expireTime }, tenant);
};

function settled(before: Books, ...facts: OrderFact[]): Extract<Settlement, { kind: "settled" }> {
  const settlement = settle(before, facts);
  if (settlement.kind === "refused") throw new Error(settlement.message);
  return settlement;
}

const told = ({ announcements }: { announcements: readonly { kind: string; sequence: number }[] }): string[] =>
  announcements.map(({ kind, sequence }) => `${kind} ${sequence}`);

test("orders of a batch are served in the order given, and a large one that fails leaves room for a small one", () => {
  const { announcements } = settled(
    shelf({ MUG: 5 }),
    created("a", { MUG: 3 }),
    created("b", { MUG: 3 }),
    created("c", { MUG: 2 }),
  );
  expect(announcements.map((one) => one.kind)).toEqual(["reserved", "insufficient", "reserved"]);
  expect(announcements[1]).toMatchObject({ shortages: [{ sku: "MUG", requested: 3, available: 2 }] });
});

test("all lines or none: one short SKU holds nothing, and every short one is named", () => {
  const { books, announcements } = settled(shelf({ MUG: 5, CAP: 1 }), created("a", { MUG: 1, CAP: 2, GHOST: 4 }));
  expect([...books.stock.values()].map(({ reserved }) => reserved)).toEqual([0, 0]);
  expect(announcements).toMatchObject([
    {
      shortages: [
        { sku: "CAP", requested: 2, available: 1 },
        { sku: "GHOST", requested: 4, available: 0 },
      ],
    },
  ]);
});

test("the whole life of an order may lie in one batch", () => {
  const { books, departures, announcements } = settled(
    shelf({ MUG: 6 }),
    created("a", { MUG: 2 }),
    fact("a", { kind: "ready" }),
    fact("a", { kind: "dispatched" }),
    fact("a", { kind: "dispatched" }),
  );
  expect(books.stock.get("demo.MUG")).toMatchObject({ onHand: 4, reserved: 0 });
  expect(departures).toEqual([{ tenant: "demo", sku: "MUG", quantity: 2, orderId: "a", shipmentId: "" }]);
  // The low stock is told under the SKU, which counts for itself.
  expect(told({ announcements })).toEqual(["reserved 1", "low 1"]);
});

test("units that one order gives back are there for the next of the same batch", () => {
  const { announcements } = settled(
    shelf({ MUG: 1 }),
    created("a", { MUG: 1 }),
    fact("a", { kind: "cancelled" }),
    created("b", { MUG: 1 }),
  );
  expect(told({ announcements })).toEqual(["reserved 1", "released 2", "reserved 1"]);
});

test("a hold that was lost and cannot be had again says so, and may try once more", () => {
  const lost = settled(
    shelf({ MUG: 1 }),
    created("a", { MUG: 1 }),
    fact("a", { kind: "hold_expired", order: "unknown" }),
    created("b", { MUG: 1 }),
  ).books;
  const short = settled(lost, fact("a", { kind: "ready" }));
  expect(short.announcements).toMatchObject([{ kind: "insufficient", sequence: 3 }]);
  const free = settled(short.books, fact("b", { kind: "cancelled" }), fact("a", { kind: "ready" }));
  expect(told(free)).toEqual(["released 2", "reserved 4"]);
  expect(free.books.reservations.get("demo.a")?.state).toBe("FIRM");
});

test("what leaves without its hold comes out of what is free, once, and never out of what others hold", () => {
  const lost = settled(shelf({ MUG: 3 }), created("a", { MUG: 2 }), fact("a", { kind: "withdrawn" })).books;
  const gone = settled(lost, fact("a", { kind: "dispatched" }), fact("a", { kind: "dispatched" }));
  expect(gone.books.stock.get("demo.MUG")).toMatchObject({ onHand: 1, reserved: 0 });
  expect(gone.books.reservations.get("demo.a")).toMatchObject({ state: "SHIPPED", releaseReason: undefined });
  expect(gone.departures).toEqual([{ tenant: "demo", sku: "MUG", quantity: 2, orderId: "a", shipmentId: "" }]);

  const given = settled(lost, created("b", { MUG: 2 })).books;
  expect(settle(given, [fact("a", { kind: "dispatched" })])).toMatchObject({
    kind: "refused",
    code: "SHIPPED_WITHOUT_STOCK",
    message: expect.stringContaining("2 of MUG, of which 1 are free"),
  });
});

test("a low stock is told once until it has been filled up again", () => {
  const facts = ["a", "b", "c"].flatMap((id) => [created(id, { MUG: 1 }), fact(id, { kind: "dispatched" })]);
  const { announcements } = settled(shelf({ MUG: 6 }), ...facts);
  expect(announcements.filter(({ kind }) => kind === "low")).toMatchObject([
    { sku: "MUG", onHand: 4, threshold: 5, sequence: 1 },
  ]);
});

test("one SKU in two tenants is two stocks", () => {
  const both = new Map([...shelf({ MUG: 1 }, "north").stock, ...shelf({ MUG: 1 }, "south").stock]);
  const { announcements } = settled(
    { reservations: new Map(), stock: both },
    created("a", { MUG: 1 }, "north"),
    created("a", { MUG: 1 }, "south"),
    created("b", { MUG: 1 }, "south"),
  );
  expect(announcements.map(({ tenant, kind }) => `${tenant} ${kind}`)).toEqual([
    "north reserved",
    "south reserved",
    "south insufficient",
  ]);
});

test("a fact that cannot be true refuses the batch and names its order", () => {
  const settlement = settle(shelf({ MUG: 1 }), [created("a", { MUG: 1 }), fact("ghost", { kind: "dispatched" })]);
  expect(settlement).toMatchObject({ kind: "refused", code: "RESERVATION_NOT_HELD", message: expect.stringContaining("ghost") });
});

test("what goes in is not changed", () => {
  const before = shelf({ MUG: 1 });
  settled(before, created("a", { MUG: 1 }));
  expect(before.stock.get("demo.MUG")?.reserved).toBe(0);
  expect(before.reservations.size).toBe(0);
});
