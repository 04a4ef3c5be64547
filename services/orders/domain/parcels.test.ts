// Several parcels of one order: what they come to together, and what is paid back for those that came back.
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import type { Item } from "./change.ts";
import { takeFact, type Announcement, type Fact, type ParcelBack } from "./facts.ts";
import { newProgress, type OrderParcel, type OrderProgress, type ParcelState } from "./order.ts";
import { parcelRefund, parcelReturns } from "./parcel-returns.ts";
import { statusOf } from "./parcels.ts";
import { unitsLeft } from "./returns.ts";

const time = new Date("2026-01-01T00:00:00Z");

test.each<[string, ParcelState[]]>([
  ["created", ["CREATED", "CREATED"]],
  ["created", ["STOPPED", "CREATED"]],
  ["stopped", ["STOPPED", "STOPPED"]],
  ["partially_dispatched", ["DISPATCHED", "CREATED"]],
  ["partially_dispatched", ["CREATED", "DELIVERED"]],
  ["partially_dispatched", ["RETURNED", "CREATED"]],
  ["dispatched", ["DISPATCHED", "DISPATCHED"]],
  ["dispatched", ["DELIVERED", "DISPATCHED"]],
  ["dispatched", ["DELIVERY_FAILED", "DISPATCHED"]],
  ["delivery_failed", ["DELIVERY_FAILED", "DELIVERED"]],
  ["delivered", ["DELIVERED", "DELIVERED"]],
  ["delivered", ["RETURNED", "DELIVERED"]],
  ["delivered", ["DELIVERED", "STOPPED"]],
  ["returned", ["RETURNED", "RETURNED"]],
])("%s: %s", (status, states) => {
  expect(statusOf(states.map((state) => ({ state })))).toBe(status);
});

test("the page names every status that several parcels come to", async () => {
  const page = await readFile(new URL("../../../docs/orders.md", import.meta.url), "utf8");
  const section = page.split("## Orders that leave in several parcels")[1]?.split("\n## ")[0] ?? "";
  const named = [...section.matchAll(/\| `([A-Z_]+)` +\|$/gm)].map(([, name]) => name?.toLowerCase());
  const all = ["created", "partially_dispatched", "dispatched", "delivery_failed", "delivered", "returned", "stopped"];
  expect(new Set(named)).toEqual(new Set(all));
});

const parcels = (...states: ParcelState[]): OrderParcel[] =>
  states.map((state, index) => ({
    shipmentId: `shp_${index + 1}`,
    state,
    trackingNumber: String(index + 1),
    lines: [{ sku: "MUG", quantity: 1 }],
  }));

/** What an order of a parcel each becomes by the facts, and what it announces besides its states. */
function run(...told: ParcelState[][]) {
  let progress: OrderProgress = { ...newProgress(time), state: "pending_shipment", inventory: "reserved", fraud: "cleared" };
  const announced: (Announcement | ParcelBack)[] = [];
  for (const states of told) {
    const fact: Fact = {
      reporter: "shipping",
      status: statusOf(states.map((state) => ({ state }))),
      parcels: parcels(...states),
      sequence: progress.heard.shipping + 1,
      time,
      detail: "",
    };
    const outcome = takeFact(progress, fact);
    if (outcome.kind !== "changed") throw new Error(outcome.kind);
    progress = outcome.progress;
    announced.push(...outcome.parcelsBack, ...outcome.announcements);
    // Told once more it changes nothing.
    expect(takeFact(progress, fact)).toEqual({ kind: "unchanged" });
  }
  return { state: progress.state, announced };
}

test.each<{ told: ParcelState[][]; state: string; announced: unknown[] }>([
  { told: [["CREATED", "CREATED"]], state: "pending_shipment", announced: [] },
  { told: [["DISPATCHED", "CREATED"]], state: "partially_shipped", announced: [] },
  { told: [["DELIVERED", "CREATED"]], state: "partially_shipped", announced: [] },
  {
    told: [
      ["DISPATCHED", "CREATED"],
      ["DISPATCHED", "DISPATCHED"],
    ],
    state: "shipped",
    announced: ["shipped"],
  },
  { told: [["DELIVERED", "DISPATCHED"]], state: "shipped", announced: ["shipped"] },
  {
    told: [
      ["DELIVERED", "DISPATCHED"],
      ["DELIVERED", "DELIVERED"],
    ],
    state: "delivered",
    announced: ["shipped", "delivered"],
  },
  {
    told: [
      ["RETURNED", "CREATED"],
      ["RETURNED", "DISPATCHED"],
      ["RETURNED", "DELIVERED"],
    ],
    state: "delivered",
    announced: [{ returnedParcel: "shp_1", before: [] }, "shipped", "delivered"],
  },
  {
    told: [
      ["DELIVERED", "DISPATCHED"],
      ["DELIVERED", "RETURNED"],
    ],
    state: "delivered",
    announced: ["shipped", { returnedParcel: "shp_2", before: [] }, "delivered"],
  },
  {
    told: [
      ["RETURNED", "CREATED"],
      ["RETURNED", "RETURNED"],
    ],
    state: "returned",
    announced: [{ returnedParcel: "shp_1", before: [] }, "shipped", "returned"],
  },
  {
    // Two facts were lost.
    told: [["RETURNED", "RETURNED", "DELIVERED"]],
    state: "delivered",
    announced: [{ returnedParcel: "shp_1", before: [] }, { returnedParcel: "shp_2", before: ["shp_1"] }, "shipped", "delivered"],
  },
  {
    told: [
      ["STOPPED", "CREATED"],
      ["STOPPED", "STOPPED"],
    ],
    state: "cancelled",
    announced: ["cancelled"],
  },
])("told $told it is $state", ({ told, state, announced }) => {
  const done = run(...told);
  expect(done.state).toBe(state);
  expect(done.announced).toEqual(announced);
});

const items: Item[] = [
  { sku: "MUG", title: "Mug", quantity: 1, unitPrice: 1_000, tax: { rate: 700, amount: 71, name: "VAT", isIncluded: false } },
  { sku: "MUG", title: "Mug", quantity: 2, unitPrice: 900 },
];

test("what is in each parcel is paid back at its price and with its tax, all of it together and nothing twice", () => {
  const three = parcels("RETURNED", "RETURNED", "RETURNED");
  const returns = parcelReturns(items, three);
  const refunds = [...returns.keys()].map((returnedParcel, index, ids) =>
    parcelRefund(items, three, { returnedParcel, before: ids.slice(0, index) }),
  );
  expect(refunds).toEqual([1_071, 900, 900]);
});

test("what came back in a parcel cannot be sent back by the buyer", () => {
  const left = unitsLeft(items, [...parcelReturns(items, parcels("DELIVERED", "RETURNED", "DELIVERED")).values()]);
  expect(left.map(({ quantity }) => quantity)).toEqual([1, 1]);
});
