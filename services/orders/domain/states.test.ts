// Every state against every fact and every command. The table is that of docs/orders.md, which people read.
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { cancel, release, takeFact, type Fact } from "./facts.ts";
import { newProgress, type OrderProgress } from "./order.ts";

const time = new Date("2026-01-01T00:00:00Z");

type Said = Fact extends infer One ? (One extends Fact ? Pick<One, "reporter" | "status"> : never) : never;

const facts = [
  { reporter: "inventory", status: "reserved" },
  { reporter: "inventory", status: "insufficient" },
  { reporter: "inventory", status: "released" },
  { reporter: "fraud", status: "review" },
  { reporter: "fraud", status: "cleared" },
  { reporter: "fraud", status: "rejected" },
  { reporter: "payments", status: "authorized" },
  { reporter: "payments", status: "declined" },
  { reporter: "payments", status: "captured" },
  { reporter: "payments", status: "voided" },
  { reporter: "payments", status: "refunded" },
  { reporter: "shipping", status: "created" },
  { reporter: "shipping", status: "dispatched" },
  { reporter: "shipping", status: "delivery_failed" },
  { reporter: "shipping", status: "delivered" },
  { reporter: "shipping", status: "returned" },
  { reporter: "shipping", status: "stopped" },
  { reporter: "payments", status: "action_required" },
  { reporter: "shipping", status: "partially_dispatched" },
] as const satisfies readonly Said[];

/** What the order has heard by then. */
const ready = [facts[0], facts[4], facts[6], facts[11]];
const shipped = [...ready, facts[12], facts[8]];
const starts: Record<string, OrderProgress> = {
  SCHEDULED: { ...newProgress(time), state: "scheduled", timeline: [{ sequence: 1, state: "scheduled", time, reason: "" }] },
  PENDING: newProgress(time),
  "PENDING, to be paid": after([facts[0], facts[4]]),
  PENDING_SHIPMENT: after(ready),
  "PENDING_SHIPMENT, stock lost": after([...ready, facts[2]]),
  PARTIALLY_SHIPPED: after([...ready, facts[18], facts[8]]),
  SHIPPED: after(shipped),
  DELIVERED: after([...shipped, facts[14]]),
  RETURNED: after([...shipped, facts[15]]),
  CANCELLED: after([facts[1]]),
};

function next(progress: OrderProgress, said: Said): Fact {
  return { ...said, sequence: progress.heard[said.reporter] + 1, time, detail: "" };
}

function after(said: readonly Said[]): OrderProgress {
  return said.reduce((progress, one) => {
    const outcome = takeFact(progress, next(progress, one));
    if (outcome.kind !== "changed") throw new Error(`${one.status} was not taken: ${outcome.kind}`);
    return outcome.progress;
  }, newProgress(time));
}

/** In the words of the table. */
function entered(before: OrderProgress, { state, cancelReason }: OrderProgress): string {
  if (state === before.state) return "noted";
  return state === "cancelled" ? `CANCELLED, \`${cancelReason}\`` : state.toUpperCase();
}

function factCell(progress: OrderProgress, said: Said): string {
  const outcome = takeFact(progress, next(progress, said));
  switch (outcome.kind) {
    case "conflict":
      return `letter \`${outcome.code}\``;
    case "unchanged":
      return "nothing";
    case "changed": {
      const asks = outcome.announcements.includes("payment_due") ? ", payment is asked for" : "";
      const stops = outcome.stopsParcel ? ", shipping is asked" : "";
      return `${entered(progress, outcome.progress)}${asks}${stops}`;
    }
  }
}

const commands: Record<string, (progress: OrderProgress) => string> = {
  CancelOrder: (progress) => cancelCell(progress, false),
  "the same, its parcel stopped": (progress) => cancelCell(progress, true),
  "its beginning has come": (progress) => {
    const change = release(progress, time);
    return change ? entered(progress, change.progress) : "nothing";
  },
};

function cancelCell(progress: OrderProgress, shipmentStopped: boolean): string {
  const outcome = cancel(progress, { time, reason: "CANCELLED_BY_REQUEST", detail: "", shipmentStopped });
  switch (outcome.kind) {
    case "cancelled":
      return entered(progress, outcome.progress);
    case "already_cancelled":
      return "as the first";
    case "stop_shipment_first":
      return "shipping is asked";
    case "too_late":
      return "refused `ORDER_ALREADY_DISPATCHED`";
  }
}

const states = Object.entries(starts);
const rows = [
  ...facts.map((said) => [`${said.reporter}: ${said.status}`, ...states.map(([, progress]) => factCell(progress, said))]),
  ...Object.entries(commands).map(([name, cell]) => [name, ...states.map(([, progress]) => cell(progress))]),
];

test.each(rows)("%s", async (...row) => {
  const page = await readFile(new URL("../../../docs/orders.md", import.meta.url), "utf8");
  const lines = page.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  const header = lines.find(([, first]) => first === "what comes");
  expect(header?.slice(2, -1)).toEqual(states.map(([name]) => name));
  const written = lines.find(([, first]) => first === row[0]);
  expect(written?.slice(1, -1)).toEqual(row);
});
