// Places one order through the public REST API and follows it to its end.
import type { PlannedOrder } from "./traffic.ts";

/** Asks the shop at a path, as somebody whom it knows. */
export type Shop = (path: string, init?: RequestInit) => Promise<Response>;

export interface Outcome {
  /** Such as "delivered", "cancelled: OUT_OF_STOCK" or "refused: STOCK_UNAVAILABLE". */
  fate: string;
  acceptMs?: number;
  readyMs?: number;
  deliveredMs?: number;
}

interface Step {
  entry: { state: string; reason: string; time: string };
}

const followMsMax = 120_000;

export async function placeAndFollow(shop: Shop, { body }: PlannedOrder): Promise<Outcome> {
  const startedMs = performance.now();
  let answer: Response;
  try {
    answer = await shop("/v1/orders", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch (error) {
    return { fate: `failed: ${(error as Error).message}` };
  }
  const acceptMs = performance.now() - startedMs;
  const answered = (await answer.json()) as { orderId?: string; details?: { reason?: string }[] };
  if (answer.status !== 202 || !answered.orderId) {
    const reason = answered.details?.find((detail) => detail.reason)?.reason ?? `HTTP ${answer.status}`;
    return { fate: answer.status >= 500 ? `failed: ${reason}` : `refused: ${reason}` };
  }
  return { acceptMs, ...(await follow(shop, answered.orderId)) };
}

async function follow(shop: Shop, orderId: string): Promise<Outcome> {
  const times = new Map<string, number>();
  let last: Step["entry"] | undefined;
  try {
    for await (const { entry } of steps(shop, `/v1/orders/${orderId}:watch`)) {
      times.set(entry.state, Date.parse(entry.time));
      last = entry;
    }
  } catch (error) {
    return { fate: `not followed to its end: ${(error as Error).message}` };
  }
  const placed = times.get("ORDER_STATE_PENDING") ?? 0;
  const since = (state: string): number | undefined => {
    const time = times.get(state);
    return time === undefined ? undefined : time - placed;
  };
  const readyMs = since("ORDER_STATE_PENDING_SHIPMENT");
  const deliveredMs = since("ORDER_STATE_DELIVERED");
  const state = last?.state.replace("ORDER_STATE_", "").toLowerCase() ?? "unknown";
  return {
    fate: last?.reason ? `${state}: ${last.reason}` : state,
    ...(readyMs === undefined ? {} : { readyMs }),
    ...(deliveredMs === undefined ? {} : { deliveredMs }),
  };
}

async function* steps(shop: Shop, path: string): AsyncGenerator<Step> {
  const answer = await shop(path, { signal: AbortSignal.timeout(followMsMax) });
  if (!answer.ok || !answer.body) throw new Error(`HTTP ${answer.status}`);
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of answer.body) {
    rest += decoder.decode(chunk as Uint8Array, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") continue;
      const step = JSON.parse(line) as Partial<Step> & { error?: { message: string } };
      if (step.error) throw new Error(step.error.message);
      if (step.entry) yield { entry: step.entry };
    }
  }
}
