// The provider's books are looked into where it has told us that something has changed there.
import { dueWork, type DueWork } from "#runtime/schedule/due-work.ts";
import { concludeAction, lookForAction, type ActionOutcome } from "../domain/action.ts";
import { change } from "../domain/payment.ts";
import { reconcile, rests } from "../domain/reconcile.ts";
import { lookAtAction } from "../provider/buyer-action.ts";
import type { ProviderOf, Statement } from "../provider/contract.ts";
import { dueKinds } from "../store/changes.ts";
import { readPayment } from "../store/payments.ts";
import { concluding, orderKey, type Runtime } from "./conclude.ts";

type Found = { kind: "acted"; outcome: ActionOutcome } | { kind: "moved"; sums: Statement; version: number };

/** Looks into the provider's books after a message of the provider's own, and books what happened there without us. */
export function reconcileWork({ db, clock, log }: Runtime, providerOf: ProviderOf): DueWork {
  return dueWork({
    kind: dueKinds.reconcile,
    prepare: async (item): Promise<Found | undefined> => {
      const payment = await readPayment(db, orderKey(item));
      const provider = providerOf(item.tenant);
      const look = lookForAction(payment, clock.now());
      if (look) {
        const outcome = await lookAtAction(provider, look);
        return outcome && { kind: "acted", outcome };
      }
      if (!payment || !rests(payment)) return undefined;
      const reference = payment.providerReference ?? "";
      const sums = (await provider.statement([reference])).get(reference);
      return sums && { kind: "moved", sums, version: payment.version };
    },
    apply: concluding<Found | undefined>(clock, (payment, found, now) => {
      if (!found) return undefined;
      if (found.kind === "acted") return concludeAction(payment, found.outcome, now);
      // It was changed while we looked: what was seen may be our own doing.
      if (found.version !== payment.version) return change(payment, {}, { work: ["reconcile"] });
      const booked = reconcile(payment, found.sums);
      if (booked) log.warn({ paymentId: payment.paymentId, orderId: payment.orderId, ...found.sums }, "provider_moved_money");
      return booked;
    }),
  });
}
