import { expect, test } from "vitest";
import { cancel, takeFact, whyToStop, type Announcement, type Fact } from "./facts.ts";
import { newProgress, type OrderProgress, type OrderState } from "./order.ts";

const time = new Date("2026-01-01T00:00:00Z");

type Told = Fact extends infer One ? (One extends Fact ? Omit<One, "time" | "detail"> : never) : never;

/** Everything that each service may honestly say about one order, in its order. */
const histories: Record<Fact["reporter"], string[][]> = {
  inventory: [["insufficient"], ["reserved"], ["reserved", "released"]],
  fraud: [["cleared"], ["rejected"], ["review", "cleared"], ["review", "rejected"]],
  payments: [
    ["declined"],
    ["authorized", "voided"],
    ["authorized", "captured", "refunded"],
    ["action_required", "declined"],
    ["action_required", "authorized", "captured"],
  ],
  shipping: [
    ["created", "stopped"],
    ["stopped"],
    ["created", "dispatched", "delivered"],
    ["created", "dispatched", "returned"],
    ["created", "dispatched", "delivery_failed", "delivered"],
    ["created", "dispatched", "delivery_failed", "returned"],
  ],
};

function factsOf(reporter: Fact["reporter"]): Told[] {
  const facts = new Map<string, Told>();
  for (const history of histories[reporter]) {
    history.forEach((status, index) => {
      facts.set(`${status}${index}`, { reporter, status, sequence: index + 1 } as Told);
    });
  }
  return [...facts.values()];
}

const allFacts = (["inventory", "fraud", "payments", "shipping"] as const).flatMap(factsOf);

interface Run {
  progress: OrderProgress;
  announcements: Announcement[];
  conflicts: string[];
}

function run(start: OrderProgress, facts: readonly Told[]): Run {
  const result: Run = { progress: start, announcements: [], conflicts: [] };
  for (const told of facts) {
    const outcome = takeFact(result.progress, { ...told, time, detail: "" });
    if (outcome.kind === "conflict") result.conflicts.push(outcome.code);
    if (outcome.kind !== "changed") continue;
    result.progress = outcome.progress;
    result.announcements.push(...outcome.announcements);
  }
  return result;
}

const reserved = { reporter: "inventory", status: "reserved", sequence: 1 } as const;
const cleared = { reporter: "fraud", status: "cleared", sequence: 1 } as const;
const authorized = { reporter: "payments", status: "authorized", sequence: 1 } as const;
const created = { reporter: "shipping", status: "created", sequence: 1, trackingNumber: "TRACK-1" } as const;
const dispatched = { reporter: "shipping", status: "dispatched", sequence: 2 } as const;
const delivered = { reporter: "shipping", status: "delivered", sequence: 3 } as const;
const failed = { reporter: "shipping", status: "delivery_failed", sequence: 3 } as const;
const returned = { reporter: "shipping", status: "returned", sequence: 4 } as const;
const captured = { reporter: "payments", status: "captured", sequence: 2 } as const;
const stopped = { reporter: "shipping", status: "stopped", sequence: 2 } as const;
const released = { reporter: "inventory", status: "released", sequence: 2 } as const;

const starts = {
  "a new order": [],
  "a reserved order": [reserved],
  "a cleared order": [cleared],
  "an order that payment was asked for": [reserved, cleared],
  "a ready order": [reserved, cleared, authorized],
  "a labelled order": [reserved, cleared, authorized, created],
  "a ready order without its stock": [reserved, cleared, authorized, released],
  "a shipped order": [reserved, cleared, authorized, created, dispatched],
  "an order that could not be delivered": [reserved, cleared, authorized, created, dispatched, failed],
  "a returned order": [reserved, cleared, authorized, created, dispatched, captured, failed, returned],
  "a delivered order": [reserved, cleared, authorized, created, dispatched, captured, delivered],
} satisfies Record<string, readonly Told[]>;

const allPairs = allFacts.flatMap((first, index) => allFacts.slice(index).map((second) => ({ first, second })));

/**
 * What the order is, apart from which of two refusals came first and so gave the reason. One whose parcel is to be stopped is as good as
 * cancelled, unless shipping says otherwise.
 */
const outcomeOf = ({ progress }: Run): unknown => {
  const { inventory, fraud, payment, shipment, heard } = progress;
  const state = whyToStop(progress) ? "cancelled" : progress.state;
  return { state, inventory, fraud, payment, shipment, heard };
};

const hasLeft = /dispatched|delivered|delivery_failed|returned/;
const isAgainst = /insufficient|released|rejected|declined|voided|refunded|stopped/;

/** True where one honest history holds both facts. */
function followEachOther(first: Told, second: Told): boolean {
  return histories[first.reporter].some(
    (history) => history[first.sequence - 1] === first.status && history[second.sequence - 1] === second.status,
  );
}

test.each(Object.entries(starts))(
  "%s: any two facts end alike in either order, or one of them is a named conflict",
  (_name, start) => {
    const base = run(newProgress(time), start).progress;
    for (const { first, second } of allPairs) {
      if (first.reporter === second.reporter && !followEachOther(first, second)) continue;
      const forwards = run(base, [first, second]);
      const backwards = run(base, [second, first]);
      const conflicts = [...forwards.conflicts, ...backwards.conflicts];
      if (conflicts.length === 0) {
        expect(outcomeOf(forwards), `${first.status}, ${second.status}`).toEqual(outcomeOf(backwards));
        continue;
      }
      // What has left and what has ended exclude each other: whichever came second is shown to a person.
      const told = [...start, first, second].map((fact) => fact.status).join(" ");
      expect(told).toMatch(hasLeft);
      expect(told).toMatch(isAgainst);
      for (const code of conflicts) expect(["DISPATCHED_AFTER_CANCEL", "REFUSED_AFTER_DISPATCH"]).toContain(code);
    }
  },
);

test.each(Object.entries(starts))("%s: any two facts told twice change nothing the second time", (_name, start) => {
  const base = run(newProgress(time), start).progress;
  for (const { first, second } of allPairs) {
    const once = run(base, [first, second]);
    // What was refused while the parcel was away may be true once it is back: then the letter's repeat is taken.
    if (once.conflicts.length > 0 && once.progress.state === "returned") continue;
    const again = run(once.progress, [first, second]);
    expect(outcomeOf(again)).toEqual(outcomeOf(once));
    expect(again.announcements).toEqual([]);
  }
});

test.each(Object.entries(starts))("%s: after any two facts the timeline has no gap and ends in the state", (_name, start) => {
  const base = run(newProgress(time), start).progress;
  for (const { first, second } of allPairs) {
    const { progress } = run(base, [first, second]);
    expect(progress.timeline.map((entry) => entry.sequence)).toEqual(progress.timeline.map((_, index) => index + 1));
    expect(progress.timeline.at(-1)?.state).toBe(progress.state);
  }
});

/** All orders in which the facts of several reporters can arrive, each reporter's own order kept. */
function interleavings(histories: Told[][]): Told[][] {
  const open = histories.filter((history) => history.length > 0);
  if (open.length === 0) return [[]];
  return open.flatMap((chosen) => {
    const rest = open.map((history) => (history === chosen ? history.slice(1) : history));
    return interleavings(rest).map((tail) => [...chosen.slice(0, 1), ...tail]);
  });
}

test("fault 23: the good way ends delivered however its facts arrive, and tells each step once and in order", () => {
  const ways = interleavings([[reserved], [cleared], [authorized, captured], [created, dispatched, delivered]]);
  expect(ways.length).toBe(420);
  for (const way of ways) {
    const { progress, announcements, conflicts } = run(newProgress(time), way);
    expect(conflicts).toEqual([]);
    expect(progress.timeline.map((entry) => entry.state)).toEqual(["pending", "pending_shipment", "shipped", "delivered"]);
    expect(announcements.filter((one) => one !== "payment_due")).toEqual(["ready", "shipped", "delivered"]);
    expect(progress.trackingNumber).toBe("TRACK-1");
  }
});

test.each([
  { facts: [{ ...reserved, status: "insufficient" }], want: "OUT_OF_STOCK" },
  { facts: [{ ...cleared, status: "rejected" }], want: "FRAUD_REJECTED" },
  { facts: [reserved, cleared, { ...authorized, status: "declined" }], want: "PAYMENT_DECLINED" },
  { facts: [reserved, { ...reserved, status: "released", sequence: 2 }], want: "STOCK_LOST" },
  { facts: [reserved, cleared, authorized, released, stopped], want: "STOCK_LOST" },
  { facts: [reserved, cleared, authorized, { ...authorized, status: "voided", sequence: 2 }, stopped], want: "PAYMENT_LOST" },
  { facts: [reserved, cleared, authorized, created, stopped], want: "SHIPMENT_STOPPED" },
] as { facts: Told[]; want: string }[])("a refusal cancels with its reason: $want", ({ facts, want }) => {
  const { progress, announcements } = run(newProgress(time), facts);
  expect(progress.state).toBe("cancelled");
  expect(progress.cancelReason).toBe(want);
  expect(announcements.at(-1)).toBe("cancelled");
});

test.each([
  { lost: released, back: { ...released, status: "reserved", sequence: 3 } },
  { lost: { ...authorized, status: "voided", sequence: 2 }, back: undefined },
  { lost: { ...cleared, status: "rejected", sequence: 2 }, back: undefined },
] as { lost: Told; back: Told | undefined }[])(
  "a ready order that loses $lost.status is not cancelled at once: its parcel is to be stopped, said once",
  ({ lost, back }) => {
    const { progress } = run(newProgress(time), starts["a labelled order"]);
    const stopsOf = (told: Told, before: OrderProgress) => {
      const outcome = takeFact(before, { ...told, time, detail: "" });
      return outcome.kind === "changed" ? [outcome.stopsParcel, outcome.progress.state] : outcome.kind;
    };
    expect(stopsOf(lost, progress)).toEqual([true, "pending_shipment"]);
    const without = run(progress, [lost]).progress;
    expect(stopsOf(lost, without)).toBe("unchanged");
    expect(stopsOf({ ...captured, sequence: 9 }, without)).toEqual([false, "pending_shipment"]);
    if (!back) return;
    const again = run(without, [back]).progress;
    expect(stopsOf({ ...lost, sequence: 4 }, again)).toEqual([true, "pending_shipment"]);
  },
);

test.each(["STOCK_LOST", "OUT_OF_STOCK", "PAYMENT_LOST", "CANCELLED_BY_REQUEST"])(
  "a parcel that orders had stopped for %s cancels with that reason, also where what was lost has come back",
  (reason) => {
    const { progress } = run(newProgress(time), starts["a labelled order"]);
    const outcome = takeFact(progress, { ...stopped, time, detail: `${reason}: words` });
    expect(outcome).toMatchObject({ progress: { state: "cancelled", cancelReason: reason, cancelDetail: `${reason}: words` } });
  },
);

test("good news after a cancellation is written down and changes nothing else", () => {
  const start = run(newProgress(time), [{ ...cleared, status: "rejected" }]);
  const { progress, announcements } = run(start.progress, [reserved, authorized, created]);
  expect(progress).toMatchObject({
    state: "cancelled",
    cancelReason: "FRAUD_REJECTED",
    inventory: "reserved",
    payment: "authorized",
  });
  expect(announcements).toEqual([]);
});

test("a review holds the order until a person has decided", () => {
  const { progress, announcements } = run(newProgress(time), [reserved, { reporter: "fraud", status: "review", sequence: 1 }]);
  expect(progress.state).toBe("pending");
  expect(announcements).toEqual([]);
  expect(run(progress, [{ reporter: "fraud", status: "cleared", sequence: 2 }]).announcements).toEqual(["payment_due"]);
});

test("a parcel that comes back ends its order however the facts arrive, and a delivery that failed leaves it shipped", () => {
  const ways = interleavings([[reserved], [cleared], [authorized, captured], [created, dispatched, failed, returned]]);
  for (const way of ways) {
    const { progress, announcements, conflicts } = run(newProgress(time), way);
    expect(conflicts).toEqual([]);
    expect(progress.timeline.map((entry) => entry.state)).toEqual(["pending", "pending_shipment", "shipped", "returned"]);
    expect(announcements.filter((one) => one !== "payment_due")).toEqual(["ready", "shipped", "returned"]);
  }
  const { progress } = run(newProgress(time), starts["an order that could not be delivered"]);
  expect(progress).toMatchObject({ state: "shipped", shipment: "delivery_failed" });
  expect(run(progress, [{ ...returned, status: "delivered" }]).progress.state).toBe("delivered");
});

test.each(["refunded", "voided"] as const)("money of a returned order that is %s is no conflict", (status) => {
  const { progress } = run(newProgress(time), starts["a returned order"]);
  const after = run(progress, [{ reporter: "payments", status, sequence: 3 }]);
  expect(after.progress).toMatchObject({ state: "returned", payment: status });
  expect(after.conflicts).toEqual([]);
});

test("money that goes back after delivery is a refund, not a cancellation", () => {
  const { progress } = run(newProgress(time), starts["a delivered order"]);
  const refunded = run(progress, [{ reporter: "payments", status: "refunded", sequence: 3 }]);
  expect(refunded.progress).toMatchObject({ state: "delivered", payment: "refunded" });
  expect(refunded.conflicts).toEqual([]);
});

const byState: { state: OrderState; facts: readonly Told[] }[] = [
  { state: "pending", facts: [] },
  { state: "pending_shipment", facts: starts["a ready order"] },
  { state: "shipped", facts: starts["a shipped order"] },
  { state: "delivered", facts: starts["a delivered order"] },
  { state: "returned", facts: starts["a returned order"] },
  { state: "cancelled", facts: [{ ...reserved, status: "insufficient" }] },
];

test.each([
  { state: "pending", shipmentStopped: false, want: "cancelled" },
  { state: "pending_shipment", shipmentStopped: false, want: "stop_shipment_first" },
  { state: "pending_shipment", shipmentStopped: true, want: "cancelled" },
  { state: "shipped", shipmentStopped: false, want: "too_late" },
  { state: "delivered", shipmentStopped: false, want: "too_late" },
  { state: "returned", shipmentStopped: false, want: "too_late" },
  { state: "cancelled", shipmentStopped: false, want: "already_cancelled" },
] as const)("cancelling a $state order (shipment stopped: $shipmentStopped): $want", ({ state, shipmentStopped, want }) => {
  const facts = byState.find((candidate) => candidate.state === state)?.facts ?? [];
  const { progress } = run(newProgress(time), facts);
  expect(progress.state).toBe(state);
  expect(cancel(progress, { time, reason: "CANCELLED_BY_REQUEST", detail: "", shipmentStopped }).kind).toBe(want);
});
