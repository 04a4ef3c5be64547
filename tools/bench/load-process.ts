// The process that places orders. Started by load.ts.
import { setTimeout as sleep } from "node:timers/promises";
import type { FromLoad, LoadOptions, LoadResult, ToLoad } from "./load.ts";
import { percentile } from "./mesh.ts";
import { createPlacers, type Basket, type Place } from "./place-order.ts";

/** How often an open loop looks what is due, and how often progress is told: rarely, for the load shares the processors. */
const turnMs = 5;
const tellEveryMs = 50;

interface Tally {
  asked: number;
  accepted: number;
  orderIds: string[];
  acceptedMs: number[];
  failedMs: number[];
  errors: Record<string, number>;
}

const emptyTally = (): Tally => ({ asked: 0, accepted: 0, orderIds: [], acceptedMs: [], failedMs: [], errors: {} });
const tell = (message: FromLoad): void => void process.send?.(message);

let tally = emptyTally();
/** What held callers wait for; undefined while nobody is held. */
let held: PromiseWithResolvers<void> | undefined;
let number = 0;

/** Two different SKUs of many, and each order by another buyer: screening looks twice at one who orders often. */
function nextBasket(skus: readonly string[]): Basket {
  number += 1;
  const [one, other] = [number % skus.length, (number * 7 + 3) % skus.length];
  const items = [
    { sku: skus[one] ?? "", quantity: 1n },
    { sku: skus[other === one ? (one + 1) % skus.length : other] ?? "", quantity: 2n },
  ];
  return { customerId: `bench-${process.pid}-${number}`, items };
}

async function placeOne(place: Place, { skus, keepIds = false }: LoadOptions): Promise<void> {
  const counted = tally;
  const basket = nextBasket(skus);
  counted.asked += 1;
  const startedMs = performance.now();
  try {
    const orderId = await place(basket);
    counted.acceptedMs.push(performance.now() - startedMs);
    counted.accepted += 1;
    if (keepIds) counted.orderIds.push(orderId);
  } catch (error) {
    counted.failedMs.push(performance.now() - startedMs);
    const reason = (error as Error).message;
    counted.errors[reason] = (counted.errors[reason] ?? 0) + 1;
  }
}

async function closedLoop(placers: readonly Place[], callers: number, endMs: number, options: LoadOptions): Promise<void> {
  const caller = async (index: number): Promise<void> => {
    const place = placers[index % placers.length] as Place;
    while (performance.now() < endMs) {
      await placeOne(place, options);
      await held?.promise;
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, index) => caller(index)));
}

async function openLoop(placers: readonly Place[], perSecond: number, endMs: number, options: LoadOptions): Promise<void> {
  const startedMs = performance.now();
  const waiting: Promise<void>[] = [];
  while (performance.now() < endMs) {
    const due = ((performance.now() - startedMs) / 1_000) * perSecond;
    while (waiting.length < due) waiting.push(placeOne(placers[waiting.length % placers.length] as Place, options));
    await sleep(turnMs);
  }
  await Promise.all(waiting);
}

/** Callers who are held ask no more until they are let go. */
function hold(isHeld: boolean): void {
  if (isHeld) held ??= Promise.withResolvers();
  else {
    held?.resolve();
    held = undefined;
  }
}

async function runFor(seconds: number, placers: readonly Place[], options: LoadOptions): Promise<void> {
  const endMs = performance.now() + seconds * 1_000;
  const { pace } = options;
  if (pace.kind === "closed") await closedLoop(placers, pace.callers, endMs, options);
  else await openLoop(placers, pace.perSecond, endMs, options);
}

function resultOf({ acceptedMs, failedMs, ...counts }: Tally, acceptedBefore: number, seconds: number): LoadResult {
  return {
    ...counts,
    acceptedBefore,
    seconds,
    p50Ms: percentile(acceptedMs, 0.5),
    p99Ms: percentile(acceptedMs, 0.99),
    maxMs: acceptedMs.reduce((one, other) => Math.max(one, other), 0),
    failedP50Ms: percentile(failedMs, 0.5),
    failedP99Ms: percentile(failedMs, 0.99),
  };
}

async function run(options: LoadOptions): Promise<void> {
  const { warmUpSeconds = 0, seconds } = options;
  const placers = createPlacers(options);
  let warmUpAccepted = 0;
  // Those of the warm-up count as well: they are under way like the others.
  const progress = setInterval(() => tell({ kind: "accepted", accepted: warmUpAccepted + tally.accepted }), tellEveryMs);
  if (warmUpSeconds > 0) await runFor(warmUpSeconds, placers, options);
  warmUpAccepted = tally.accepted;
  const { errors } = tally;
  tally = { ...emptyTally(), errors };
  tell({ kind: "begun" });
  const startedMs = performance.now();
  await runFor(seconds, placers, options);
  const result = resultOf(tally, warmUpAccepted, (performance.now() - startedMs) / 1_000);
  clearInterval(progress);
  tell({ kind: "done", result });
}

process.on("message", (message: ToLoad) => {
  if (message.kind === "hold") hold(message.isHeld);
  else run(message.options).catch((error: unknown) => tell({ kind: "failed", why: (error as Error).message }));
});
// Whoever started us is gone: nobody is left to hear the result.
process.on("disconnect", () => process.exit(1));
