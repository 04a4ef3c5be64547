// Every command against every state of a return, as in docs/returns.md, and what may come back.
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import type { Item } from "./change.ts";
import {
  decideReturn,
  exchangeAfter,
  receivedLines,
  refundOf,
  requestRefusal,
  requestReturn,
  restockedUnits,
  returnStates,
  unitsLeft,
  type Command,
  type ReturnLine,
  type ReturnOfOrder,
  type ReturnState,
} from "./returns.ts";

const page = await readFile(new URL("../../../docs/returns.md", import.meta.url), "utf8");
const cells = page.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
const states = Object.keys(returnStates) as ReturnState[];
const commands: Record<string, Command> = { ApproveReturn: "approve", RejectReturn: "reject", ReceiveReturn: "receive" };

test.each(Object.entries(commands))("%s", (name, command) => {
  const row = states.map((state) => {
    const decision = decideReturn(state, command);
    if (decision.kind === "refused") return `refused \`${decision.reason}\``;
    return decision.kind === "enter" ? decision.state.toUpperCase() : "repeated";
  });
  expect(cells.find(([, first]) => first === "command")?.slice(2, -1)).toEqual(states.map((state) => state.toUpperCase()));
  expect(cells.find(([, first]) => first === name)?.slice(2, -1)).toEqual(row);
});

test("the table of states", () => {
  const written = cells.flatMap(([, from = "", to = ""]) => {
    const froms = [...from.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name.toLowerCase());
    const isRow = froms.length > 0 && froms.every((name) => name in returnStates);
    return isRow ? froms.map((name) => `${name} ${to.replaceAll("`", "").toLowerCase()}`) : [];
  });
  const allowed = Object.entries(returnStates).flatMap(([from, to]) =>
    to.length === 0 ? [`${from} nothing`] : to.map((one) => `${from} ${one}`),
  );
  expect(written.toSorted()).toEqual(allowed.toSorted());
});

const item = (sku: string, quantity: number, unitPrice = 100): Item => ({ sku, title: sku, quantity, unitPrice });
const line = (sku: string, quantity: number, unitPrice = 100, accepted = 0, restocked = 0): ReturnLine => ({
  ...item(sku, quantity, unitPrice),
  accepted,
  restocked,
});
const back = (state: ReturnState, ...lines: ReturnLine[]): ReturnOfOrder => ({ state, lines, isShippingRefunded: false });
const items = [item("MUG", 3), item("TEA", 1), item("MUG", 2, 120)];

test.each([
  { why: "all of it where nothing came", returns: [], want: [3, 1, 2] },
  { why: "less by what is asked for", returns: [back("requested", line("MUG", 2))], want: [1, 1, 2] },
  { why: "less by what may come", returns: [back("approved", line("MUG", 1, 120))], want: [3, 1, 1] },
  { why: "not less by what was rejected", returns: [back("rejected", line("MUG", 3))], want: [3, 1, 2] },
  { why: "less by what was accepted, and no more", returns: [back("received", line("MUG", 3, 100, 1))], want: [2, 1, 2] },
  {
    why: "less by all together",
    returns: [back("requested", line("TEA", 1)), back("approved", line("MUG", 3))],
    want: [0, 0, 2],
  },
])("what is left to come back is $why", ({ returns, want }) => {
  expect(unitsLeft(items, returns).map(({ quantity }) => quantity)).toEqual(want);
});

test("what was ordered first comes back first, and no more than there is", () => {
  expect(requestReturn(items, [{ sku: "MUG", quantity: 4 }])).toEqual({
    kind: "requested",
    lines: [line("MUG", 3), line("MUG", 1, 120)],
  });
  expect(requestReturn(items, [{ sku: "MUG", quantity: 6 }])).toMatchObject({ kind: "refused", reason: "NOTHING_TO_RETURN" });
  expect(requestReturn(items, [{ sku: "CAP", quantity: 1 }])).toMatchObject({ kind: "refused", reason: "NOTHING_TO_RETURN" });
});

test("what is accepted is paid back at the price at which it was bought", () => {
  const lines = [line("MUG", 3), line("MUG", 1, 120), line("TEA", 1)];
  const after = receivedLines(lines, [{ sku: "MUG", accepted: 4, restocked: 2 }]) ?? [];
  expect(after).toEqual([line("MUG", 3, 100, 3, 2), line("MUG", 1, 120, 1, 0), line("TEA", 1)]);
  expect(refundOf(items, after, [])).toBe(420);
  expect(restockedUnits(after)).toEqual([{ sku: "MUG", quantity: 2 }]);
});

test("tax that came on top goes back with its units, all of it with the last of them; tax that was contained is in the price", () => {
  const tax = { amount: 10, rate: 333, isIncluded: false, name: "VAT" };
  const bought = [
    { ...item("MUG", 3), tax },
    { ...item("TEA", 1), tax: { ...tax, isIncluded: true } },
  ];
  const one = back("received", line("MUG", 1, 100, 1));
  const refunds = [
    refundOf(bought, one.lines, []),
    refundOf(bought, one.lines, [one]),
    refundOf(bought, one.lines, [one, one, back("rejected", line("MUG", 1, 100, 1))]),
  ];
  expect(refunds).toEqual([103, 104, 103]);
  expect(refundOf(bought, [line("TEA", 1, 100, 1)], [])).toBe(100);
});

test.each([
  { why: "more than was to come", units: { sku: "TEA", accepted: 2, restocked: 0 } },
  { why: "what was not to come", units: { sku: "CAP", accepted: 1, restocked: 0 } },
  { why: "more on the shelf than is accepted", units: { sku: "TEA", accepted: 0, restocked: 1 } },
])("$why is not received", ({ units }) => {
  expect(receivedLines([line("TEA", 1)], [units])).toBeUndefined();
});

test.each([
  { state: "requested", accepted: 0, want: "wait" },
  { state: "approved", accepted: 0, want: "wait" },
  { state: "rejected", accepted: 0, want: "RETURN_REJECTED" },
  { state: "received", accepted: 0, want: "NOTHING_ACCEPTED" },
  { state: "received", accepted: 1, want: "place" },
] as const)("what is wanted instead of a return that is $state, $accepted accepted: $want", ({ state, accepted, want }) => {
  const outcome = exchangeAfter(state, [line("MUG", 2, 100, accepted)]);
  expect(outcome.kind === "refused" ? outcome.reason : outcome.kind).toBe(want);
});

const delivered = new Date("2026-01-01T00:00:00Z");
const days = (count: number): Date => new Date(delivered.getTime() + count * 86_400_000);

test.each([
  { why: "in time", now: days(30), daysMax: 30, state: "delivered", want: undefined },
  { why: "a moment too late", now: new Date(days(30).getTime() + 1), daysMax: 30, state: "delivered", want: "RETURN_TOO_LATE" },
  { why: "late, for whom no time counts", now: days(400), daysMax: undefined, state: "delivered", want: undefined },
  { why: "before it is there", now: days(0), daysMax: 30, state: "shipped", want: "ORDER_NOT_DELIVERED" },
] as const)("a return that is asked for $why: $want", ({ now, daysMax, state, want }) => {
  const deliverTime = state === "delivered" ? delivered : undefined;
  expect(requestRefusal({ state, deliverTime }, { now, daysMax })?.reason).toBe(want);
});
