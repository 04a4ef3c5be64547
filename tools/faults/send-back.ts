// A buyer who sends goods back, and a shop that says what it thinks of them.
import { setTimeout as sleep } from "node:timers/promises";
import type { Asked, AskedReturn } from "./asked.ts";
import type { About } from "./change-minds.ts";
import type { Outcome } from "./command.ts";
import type { Line } from "./goods.ts";
import type { PlannedReturn, PlannedSendingBack, ReturnCommand } from "./plan-returns.ts";

const lookEveryMs = 300;

interface SentBack {
  returns: AskedReturn[];
  byHand?: NonNullable<Asked["refunds"]>[number];
}

/** Of an order that does not arrive nothing comes back. */
export async function sendBack(about: About, planned: PlannedSendingBack | undefined): Promise<SentBack> {
  if (!planned || !(await hasArrived(about))) return { returns: [] };
  const { returns, isAtOnce, byHand } = planned;
  const byPerson = byHand > 0 ? refundByHand(about, byHand) : undefined;
  const asked: AskedReturn[] = [];
  const one = async ([index, wanted]: [number, PlannedReturn]): Promise<void> => {
    asked.push(await comeBack(about, `${about.key}-return-${index}`, wanted));
  };
  if (isAtOnce) await Promise.all([...returns.entries()].map(one));
  else for (const entry of returns.entries()) await one(entry);
  const refund = await byPerson;
  return { returns: asked, ...(refund ? { byHand: refund } : {}) };
}

async function hasArrived({ sender, orderId, isPassing }: About): Promise<boolean> {
  while (isPassing()) {
    const { state } = (await sender.read(`/v1/orders/${orderId}`)) ?? {};
    if (state === "ORDER_STATE_DELIVERED") return true;
    if (state === "ORDER_STATE_CANCELLED") return false;
    await sleep(lookEveryMs);
  }
  return false;
}

async function refundByHand({ sender, orderId, key, isPassing }: About, minorUnits: number): Promise<SentBack["byHand"]> {
  const body = { reason: "for the trouble", amount: { currencyCode: "EUR", minorUnits: String(minorUnits) } };
  const refund = { path: `/v1/orders/${orderId}/payment:refund`, body, key: `${key}-by-hand` };
  // It may be that all that was taken is on its way back already.
  const isToWait = ({ reason }: { reason: string }): boolean => reason !== "REFUND_EXCEEDS_CAPTURE" && isPassing();
  return { outcome: await sender.send(refund, { isPassing: isToWait }), minorUnits };
}

async function comeBack({ sender, orderId }: About, key: string, planned: PlannedReturn): Promise<AskedReturn> {
  const path = `/v1/orders/${orderId}/returns`;
  const { exchange, exchangeToken: paymentToken } = planned;
  const wish = exchange ? { exchange: { items: shown(exchange), paymentToken } } : {};
  const requested = await sender.send({ path, body: { lines: shown(planned.lines), ...wish }, key });
  const asked: AskedReturn = { key, planned, requested, commands: [] };
  if (requested.kind !== "accepted") return asked;
  const returnId = String(requested.body["returnId"]);
  for (const step of planned.steps) {
    const send = async (command: ReturnCommand): Promise<{ command: ReturnCommand; outcome: Outcome }> => {
      const outcome = await sender.send({ path: `${path}/${returnId}:${command}`, body: bodyOf(command, planned) });
      return { command, outcome };
    };
    asked.commands.push(...(await Promise.all(step.map(send))));
  }
  return asked;
}

function bodyOf(command: ReturnCommand, { received, refundShipping }: PlannedReturn): object {
  switch (command) {
    case "approve":
      return {};
    case "reject":
      return { words: "it was worn" };
    case "receive":
      return {
        lines: received.map((line) => ({ ...line, accepted: String(line.accepted), restocked: String(line.restocked) })),
        refundShipping,
      };
  }
}

const shown = (lines: readonly Line[]) => lines.map(({ sku, quantity }) => ({ sku, quantity: String(quantity) }));
