// Places one order and does with it what its shape says, at its time: everything that a buyer or the shop may do about it.
import { setTimeout as sleep } from "node:timers/promises";
import type { Asked } from "./asked.ts";
import { secretOf } from "./buyer.ts";
import { parcelIsBack, trackingNumberOf } from "./carrier.ts";
import { changeMinds } from "./change-minds.ts";
import type { Sender } from "./command.ts";
import { newTrackingNumber, splitParcel } from "./parcels.ts";
import { sendBack } from "./send-back.ts";
import type { PlannedOrder } from "./traffic.ts";

/** So long a decision or a refund waits for the thing that it is about. */
const passingMsMax = 40_000;

/** Together less than any order costs. */
const refundedParts = [300, 150, 50];
const refundPath = (orderId: string): string => `/v1/orders/${orderId}/payment:refund`;

interface Following {
  tenant: string;
  planned: PlannedOrder;
  entry: Asked;
  signal: AbortSignal;
}

export async function follow(sender: Sender, { tenant, planned, entry, signal }: Following): Promise<void> {
  const place = { path: "/v1/orders", body: planned.body, key: planned.key };
  const times = planned.isRepeated ? 2 : 1;
  entry.placed = await Promise.all(Array.from({ length: times }, () => sender.send(place)));
  const orderId = entry.placed.flatMap((outcome) => (outcome.kind === "accepted" ? [String(outcome.body["orderId"])] : []))[0];
  if (orderId === undefined) return;
  await sleep(planned.followMs, undefined, { signal }).catch(() => {});
  const giveUpMs = performance.now() + passingMsMax;
  // What it is about may not be there yet.
  const isPassing = (): boolean => performance.now() < giveUpMs;
  const cancel = { path: `/v1/orders/${orderId}:cancel`, body: { reason: "changed my mind" } };
  const about = { sender, orderId, key: planned.key, isPassing };
  switch (planned.shape) {
    case "cancelled":
      entry.cancelled = await sender.send(cancel);
      return;
    case "changed":
    case "changed_before":
      entry.changes = await changeMinds(about, planned.changes);
      return;
    case "changed_and_cancelled":
      [entry.changes, entry.cancelled] = await Promise.all([
        changeMinds(about, planned.changes),
        sleep(planned.followMs, undefined, { signal }).then(
          () => sender.send(cancel),
          () => sender.send(cancel),
        ),
      ]);
      return;
    case "sent_back":
    case "exchanged": {
      if (planned.changes.length > 0) entry.changes = await changeMinds(about, planned.changes);
      const sent = await sendBack(about, planned.sendingBack);
      entry.sentBack = sent.returns;
      if (sent.byHand) entry.refunds = [sent.byHand];
      return;
    }
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
    case "buyer_proves":
    case "buyer_refuses": {
      const clientSecret = await secretOf(sender, orderId, isPassing);
      // It may have ended meanwhile, as any order may.
      if (clientSecret === "") return;
      const isApproved = planned.shape === "buyer_proves";
      const answer = { path: "/v1/sandbox-challenges:answer", body: { clientSecret, approved: isApproved } };
      entry.proved = { isApproved, outcome: await sender.send(answer) };
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
