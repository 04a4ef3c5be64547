// Every state against a change that is confirmed and one that ends. The tables are those of docs/changes.md, which people read.
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { stateRefusal, totalRefusal, type ChangeableOrder } from "./change.ts";
import { changeStates, conclude, needsPreparation, type Preparation } from "./change-saga.ts";

const page = await readFile(new URL("../../../docs/changes.md", import.meta.url), "utf8");
const cells = page.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));

const base: ChangeableOrder = {
  state: "pending_shipment",
  inventory: "reserved",
  cancelReason: "",
  paymentAsked: true,
  isChanging: false,
  isSplit: false,
  total: 1_000,
  askedTotal: null,
};
const total = 900;
const orders: Record<string, ChangeableOrder> = {
  SCHEDULED: { ...base, state: "scheduled", inventory: "pending", paymentAsked: false },
  PENDING: { ...base, state: "pending", inventory: "pending", paymentAsked: false },
  "PENDING, reserved": { ...base, state: "pending", paymentAsked: false },
  PENDING_SHIPMENT: base,
  "the same, being changed": { ...base, isChanging: true },
  "the same, above the most": { ...base, total: 800 },
  "the same, in several parcels": { ...base, isSplit: true },
  PARTIALLY_SHIPPED: { ...base, state: "partially_shipped", isSplit: true },
  SHIPPED: { ...base, state: "shipped" },
  DELIVERED: { ...base, state: "delivered" },
  RETURNED: { ...base, state: "returned" },
  CANCELLED: { ...base, state: "cancelled", cancelReason: "EXPIRED" },
};

const confirmed = (order: ChangeableOrder): string => {
  const refusal = stateRefusal(order) ?? totalRefusal(order, total);
  return refusal ? `refused \`${refusal.reason}\`` : "begins";
};

function ended(order: ChangeableOrder, preparation: Preparation): string {
  const conclusion = conclude(order, total, preparation);
  if (conclusion.kind === "apply") return "applied";
  return conclusion.reason === "ITS_REASON" ? "refused by its reason" : `refused \`${conclusion.reason}\``;
}

const notPrepared: Preparation = { kind: "refused", reason: "ITS_REASON", message: "" };

test.each(Object.entries(orders))("%s", (name, order) => {
  const row = [name, confirmed(order), ended(order, { kind: "prepared" }), ended(order, notPrepared)];
  const written = cells.find(([, first, second]) => first === name && second !== undefined);
  expect(written?.slice(1, -1)).toEqual(row);
});

test("the table of the states of a change", () => {
  const written = cells.flatMap(([, from = "", to = ""]) => {
    const froms = [...from.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name.toLowerCase());
    const isRow = froms.length > 0 && froms.every((name) => name in changeStates);
    return isRow ? froms.map((name) => `${name} ${to.replaceAll("`", "").toLowerCase()}`) : [];
  });
  const allowed = Object.entries(changeStates).flatMap(([from, to]) =>
    to.length === 0 ? [`${from} nothing`] : to.map((one) => `${from} ${one}`),
  );
  expect(written.toSorted()).toEqual(allowed.toSorted());
});

test("others are asked only of orders of which they know", () => {
  expect((["scheduled", "pending", "pending_shipment"] as const).map(needsPreparation)).toEqual([false, true, true]);
});
