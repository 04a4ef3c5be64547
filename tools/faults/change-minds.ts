// A buyer who changes its mind about an order: it previews what it wants, and confirms that, or does not.
import { setTimeout as sleep } from "node:timers/promises";
import type { AskedChange } from "./asked.ts";
import type { Outcome, Sender } from "./command.ts";
import type { PlannedChange, Wish } from "./plan-changes.ts";

/** One order, and who does something about it. */
export interface About {
  sender: Sender;
  orderId: string;
  /** Of the order's own request; names those that follow from it. */
  key: string;
  isPassing: () => boolean;
}

const lookEveryMs = 150;
/** Such orders can be changed a moment later. */
const passing: readonly string[] = ["ORDER_NOT_YET_RESERVED", "CHANGE_UNDER_WAY"];

interface Previewed {
  wish: Wish;
  token: string;
  total: number;
}

/** One change after the other, as soon as the order can be changed; until one finds that it has left or ended. */
export async function changeMinds(about: About, planned: readonly PlannedChange[]): Promise<AskedChange[]> {
  const asked: AskedChange[] = [];
  for (const [index, change] of planned.entries()) {
    await sleep(change.waitMs);
    const own = await preview(about, change.wish);
    if (own === "over") return asked;
    if (!own || change.fate === "abandoned") continue;
    asked.push(...(await confirmAsPlanned({ about, key: `${about.key}-change-${index}`, change }, own)));
  }
  return asked;
}

interface Confirming {
  about: About;
  key: string;
  change: PlannedChange;
}

async function confirmAsPlanned({ about, key, change }: Confirming, own: Previewed): Promise<AskedChange[]> {
  const { fate, isRepeated } = change;
  const one = () => confirm(about, key, { previewed: own, times: isRepeated ? 2 : 1 });
  const rival = fate === "confirmed" ? undefined : await preview(about, change.rival);
  if (!rival || rival === "over") return [await one()];
  const other = () => confirm(about, `${key}-rival`, { previewed: rival, times: 1 });
  if (fate === "crossed") {
    const [first, second] = await Promise.all([other(), one()]);
    return [first, { ...second, rival: first.key }];
  }
  const first = await other();
  return [first, { ...(await one()), rival: first.key }];
}

/** What would come of it; undefined where something speaks against it, and "over" where the order cannot be changed any more. */
async function preview({ sender, orderId, isPassing }: About, wish: Wish): Promise<Previewed | "over" | undefined> {
  const command = { path: `/v1/orders/${orderId}/changes:preview`, body: { wish: shown(wish) } };
  for (;;) {
    const outcome = await sender.send(command);
    if (outcome.kind !== "accepted") return undefined;
    const { token = "", refusals = [], after } = outcome.body as unknown as Preview;
    if (refusals.length === 0) return { wish, token, total: Number(after?.total?.minorUnits ?? 0) };
    const [{ reason = "" } = {}] = refusals;
    if (reason.startsWith("ORDER_ALREADY") || reason === "ORDER_CANCELLED") return "over";
    if (!passing.includes(reason) || !isPassing()) return undefined;
    await sleep(lookEveryMs);
  }
}

interface Preview {
  token?: string;
  refusals?: { reason?: string }[];
  after?: { total?: { minorUnits?: string } };
}

async function confirm(
  { sender, orderId }: About,
  key: string,
  { previewed: { wish, token, total }, times }: { previewed: Previewed; times: number },
): Promise<AskedChange> {
  const expectedTotal = { currencyCode: "EUR", minorUnits: String(total) };
  const command = { path: `/v1/orders/${orderId}/changes`, key, body: { wish: shown(wish), token, expectedTotal } };
  const confirmed = await Promise.all(Array.from({ length: times }, (): Promise<Outcome> => sender.send(command)));
  return { key, wish, shownTotal: total, confirmed };
}

const shown = ({ lines, ...rest }: Wish) => ({
  ...rest,
  lines: lines.map(({ sku, quantity }) => ({ sku, quantity: String(quantity) })),
});
