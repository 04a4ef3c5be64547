// Booked refunds are given back at the provider.
import type { Transaction } from "kysely";
import { dueWork, type DueItem, type DueWork } from "#runtime/schedule/due-work.ts";
import { concludeRefund, refuseRefund } from "../domain/refund.ts";
import type { ProviderOf } from "../provider/contract.ts";
import { dueKinds, saveChanges, type Decided } from "../store/changes.ts";
import { keyOf, lockPayments, readPayment, type PaymentsTables } from "../store/payments.ts";
import { finishRefunds, readRefunds, refuseRefunds, type RefundKey } from "../store/refunds.ts";
import { answerOf, tellRefusal, type Answered, type Prepared, type Runtime } from "./conclude.ts";

export function refundWork({ db, clock, log }: Runtime, providerOf: ProviderOf): DueWork {
  const refundKey = ({ tenant, key }: DueItem): RefundKey => ({ tenant, refundId: key });
  return dueWork({
    kind: dueKinds.refund,
    prepare: async (item) => {
      const [refund] = await readRefunds(db, [refundKey(item)]);
      const payment = refund && (await readPayment(db, refund));
      if (!payment) throw new Error(`refund ${item.key} is not booked`);
      // Its promise was taken back, and the money may be promised to another refund since.
      if (refund.state === "REFUSED") return undefined;
      const request = {
        idempotencyKey: `${payment.paymentId}:refund:${item.key}`,
        reference: payment.providerReference ?? "",
        amount: { currencyCode: payment.currencyCode, minorUnits: refund.amount },
      };
      return answerOf(providerOf(item.tenant).refund(request));
    },
    apply: async (tx: Transaction<PaymentsTables>, items: readonly Prepared<Answered | undefined>[]) => {
      const answered = items.flatMap(({ item, prepared }) => (prepared ? [{ ...refundKey(item), item, answer: prepared }] : []));
      const payments = await lockPayments(tx, await readRefunds(tx, answered));
      const finished = await finishRefunds(
        tx,
        answered.filter(({ answer }) => answer.kind === "done"),
      );
      const refused = await refuseRefunds(
        tx,
        answered.flatMap(({ answer, ...key }) => (answer.kind === "refused" ? [{ ...key, code: answer.code }] : [])),
      );
      const decided: Decided[] = [];
      for (const refund of [...finished, ...refused]) {
        const { item, answer } =
          answered.find(({ tenant, refundId }) => tenant === refund.tenant && refundId === refund.refundId) ?? {};
        const payment = payments.get(keyOf(refund));
        if (!item || !answer || !payment) continue;
        if (answer.kind === "refused") tellRefusal(log, { payment, work: "refund", code: answer.code });
        const change =
          answer.kind === "done" ? concludeRefund(payment, refund, answer.reference) : refuseRefund(payment, refund, answer.code);
        // The next refund of the same payment starts from here.
        payments.set(keyOf(refund), change.payment);
        decided.push({ change, cause: item.cause });
      }
      await saveChanges(tx, decided, clock.now());
    },
  });
}
