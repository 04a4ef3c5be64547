// Sends the orders at their pace and keeps the ledger of what was asked and what was answered.
import { setTimeout as sleep } from "node:timers/promises";
import { secretOf } from "./buyer.ts";
import { parcelIsBack, trackingNumberOf } from "./carrier.ts";
import type { Outcome, Sender } from "./command.ts";
import { newTrackingNumber, splitParcel } from "./parcels.ts";
import type { Random } from "./random.ts";
import { planOrder, type PlannedOrder, type Product, type Shape } from "./traffic.ts";

/** All that was asked about one order. */
export interface Asked {
  key: string;
  shape: Shape;
  /** Of the order's own command and, where it was repeated, of its repeats. */
  placed: Outcome[];
  cancelled?: Outcome;
  decided?: { decision: string; outcome: Outcome };
  refunds?: { outcome: Outcome; /** Undefined for all that was taken. */ minorUnits?: number }[];
  returned?: Outcome;
  split?: Outcome;
}

export interface LoadOptions {
  tenant: string;
  sender: Sender;
  /** Names the run in keys, so that a second run on the same data asks for other orders. */
  name: string;
  random: Random;
  /** Those of a shop, where undefined. */
  shapes?: readonly Shape[];
  perSecond: number;
  /** Orders whose commands are not all answered; beyond it none is sent. */
  openMax?: number;
  durationMs: number;
  /** Ends the sending before its time; what was sent is still followed. */
  enough?: AbortSignal;
  signal: AbortSignal;
}

export interface Load {
  asked: Asked[];
  /** Commands that are not yet answered. */
  open(): number;
  /** Resolves when the last order was sent; answers may still be out. */
  sending: Promise<void>;
  /** Resolves when every command was answered or given up. */
  answered(): Promise<void>;
}

/** Bounds what waits while nobody answers. */
const openMaxDefault = 600;
const pauseMs = 20;
/** So long a decision or a refund waits for the thing that it is about. */
const passingMsMax = 40_000;

export async function createProducts(sender: Sender, products: readonly Product[]): Promise<void> {
  for (const { sku, minorUnits, stock } of products) {
    const variant = { sku, prices: [{ currencyCode: "EUR", minorUnits: String(minorUnits) }] };
    const body = { title: sku, variants: [{ variant, initialStock: String(stock) }] };
    const outcome = await sender.send({ path: "/v1/products", body, key: `product-${sku}` });
    if (outcome.kind !== "accepted") throw new Error(`product ${sku} was not made: ${JSON.stringify(outcome)}`);
  }
}

export function startLoad(options: LoadOptions): Load {
  const { tenant, sender, perSecond, openMax = openMaxDefault, durationMs, enough, signal } = options;
  const asked: Asked[] = [];
  const following = new Set<Promise<void>>();

  const sending = (async () => {
    const startedMs = performance.now();
    for (let index = 0; ; index += 1) {
      const atMs = (index * 1_000) / perSecond;
      if (atMs > durationMs) return;
      await sleep(Math.max(0, startedMs + atMs - performance.now()), undefined, { signal }).catch(() => {});
      while (following.size >= openMax && !signal.aborted) await sleep(pauseMs);
      if (signal.aborted || enough?.aborted) return;
      const planned = planOrder(index, options);
      const entry: Asked = { key: planned.key, shape: planned.shape, placed: [] };
      asked.push(entry);
      const one: Promise<void> = follow(sender, { tenant, planned, entry, signal }).finally(() => following.delete(one));
      following.add(one);
    }
  })();
  return {
    asked,
    sending,
    open: () => following.size,
    answered: async () => {
      await sending;
      await Promise.all(following);
    },
  };
}

/** Together less than any order costs. */
const refundedParts = [300, 150, 50];
const refundPath = (orderId: string): string => `/v1/orders/${orderId}/payment:refund`;

interface Following {
  tenant: string;
  planned: PlannedOrder;
  entry: Asked;
  signal: AbortSignal;
}

async function follow(sender: Sender, { tenant, planned, entry, signal }: Following): Promise<void> {
  const place = { path: "/v1/orders", body: planned.body, key: planned.key };
  const times = planned.isRepeated ? 2 : 1;
  entry.placed = await Promise.all(Array.from({ length: times }, () => sender.send(place)));
  const orderId = entry.placed.flatMap((outcome) => (outcome.kind === "accepted" ? [String(outcome.body["orderId"])] : []))[0];
  if (orderId === undefined) return;
  await sleep(planned.followMs, undefined, { signal }).catch(() => {});
  const giveUpMs = performance.now() + passingMsMax;
  // What it is about may not be there yet.
  const isPassing = (): boolean => performance.now() < giveUpMs;
  switch (planned.shape) {
    case "cancelled":
      entry.cancelled = await sender.send({ path: `/v1/orders/${orderId}:cancel`, body: { reason: "changed my mind" } });
      return;
    case "review_decided": {
      const { decision } = planned;
      const body = { decision: `ASSESSMENT_STATE_${decision}`, note: "looks at it" };
      const decide = { path: `/v1/orders/${orderId}/assessment:decide`, body };
      const outcome = await sender.send(decide, { isPassing: ({ status }) => status === 404 && isPassing() });
      entry.decided = { decision, outcome };
      return;
    }
    case "refunded": {
      const refund = { path: refundPath(orderId), body: { reason: "arrived broken" }, key: `${planned.key}-refund` };
      entry.refunds = [{ outcome: await sender.send(refund, { isPassing }) }];
      return;
    }
    case "refunded_in_parts": {
      // At the same moment, so that each has to know of the others.
      entry.refunds = await Promise.all(
        refundedParts.map(async (minorUnits, part) => {
          const body = { reason: "one was broken", amount: { currencyCode: "EUR", minorUnits: String(minorUnits) } };
          const refund = { path: refundPath(orderId), body, key: `${planned.key}-refund-${part}` };
          return { outcome: await sender.send(refund, { isPassing }), minorUnits };
        }),
      );
      return;
    }
    case "returned": {
      const trackingNumber = await trackingNumberOf(sender, orderId, isPassing);
      // It may have arrived meanwhile, and then does not come back.
      if (trackingNumber !== "") entry.returned = await sender.send(parcelIsBack(tenant, trackingNumber), { isPassing });
      return;
    }
    case "split":
    case "split_returned": {
      const split = await splitParcel(sender, { orderId, key: planned.key }, isPassing);
      if (split) entry.split = split;
      const trackingNumber = planned.shape === "split_returned" ? newTrackingNumber(split) : "";
      if (trackingNumber !== "") entry.returned = await sender.send(parcelIsBack(tenant, trackingNumber), { isPassing });
      return;
    }
    case "buyer_proves": {
      const clientSecret = await secretOf(sender, orderId, isPassing);
      // It may have ended meanwhile, as any order may.
      if (clientSecret === "") return;
      await sender.send({ path: "/v1/sandbox-challenges:answer", body: { clientSecret, approved: true } });
      await sender.send({ path: `/v1/orders/${orderId}/payment:resume`, body: {} });
      return;
    }
    case "good":
    case "scheduled":
    case "declined":
    case "no_funds":
    case "flaky":
    case "slow":
    case "provider_error":
    case "scarce":
    case "two_products":
    case "fraud":
    case "review_left":
    case "buyer_left":
      return;
  }
}
