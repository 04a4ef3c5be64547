// Sends the orders at their pace and keeps the ledger of what was asked and what was answered.
import { setTimeout as sleep } from "node:timers/promises";
import type { Asked } from "./asked.ts";
import type { Sender } from "./command.ts";
import { follow } from "./follow.ts";
import type { Product } from "./goods.ts";
import type { Random } from "./random.ts";
import { putRates } from "./taxes.ts";
import { planOrder, type Shape } from "./traffic.ts";

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

/** And what they bear. */
export async function createProducts(sender: Sender, products: readonly Product[]): Promise<void> {
  await putRates(
    sender,
    products.flatMap(({ tax }) => tax ?? []),
  );
  for (const { sku, minorUnits, stock, tax } of products) {
    const prices = [{ currencyCode: "EUR", minorUnits: String(minorUnits) }];
    const variant = { sku, prices, ...(tax && { taxClass: tax.taxClass }) };
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
      const { key, shape, content } = planned;
      const entry: Asked = { key, shape, content, placed: [] };
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
