// Held money is taken, or given back.
import { dueWork, type DueWork } from "#runtime/schedule/due-work.ts";
import { toCapture } from "../domain/cost.ts";
import { concludeCapture, concludeVoid, needsCapture, needsVoid, refuseCapture, refuseVoid } from "../domain/movement.ts";
import { voidKey } from "../domain/payment.ts";
import type { ProviderOf } from "../provider/contract.ts";
import { dueKinds } from "../store/changes.ts";
import { readPayment } from "../store/payments.ts";
import { answerOf, concluding, orderKey, tellRefusal, type Answered, type Runtime } from "./conclude.ts";

export function captureWork({ db, clock, log }: Runtime, providerOf: ProviderOf): DueWork {
  return dueWork({
    kind: dueKinds.capture,
    prepare: async (item) => {
      const payment = await readPayment(db, orderKey(item));
      if (!payment || !needsCapture(payment)) return undefined;
      const { paymentId, providerReference } = payment;
      const request = {
        idempotencyKey: `${paymentId}:capture`,
        reference: providerReference ?? "",
        amount: { currencyCode: payment.currencyCode, minorUnits: toCapture(payment) },
      };
      return answerOf(providerOf(item.tenant).capture(request));
    },
    apply: concluding<Answered | undefined>(clock, (payment, answer) => {
      if (answer?.kind !== "refused") return answer && concludeCapture(payment, answer.reference);
      tellRefusal(log, { payment, work: "capture", code: answer.code });
      return refuseCapture(payment, answer.code);
    }),
  });
}

export function voidWork({ db, clock, log }: Runtime, providerOf: ProviderOf): DueWork {
  return dueWork({
    kind: dueKinds.void,
    prepare: async (item) => {
      const payment = await readPayment(db, orderKey(item));
      if (!payment || !needsVoid(payment)) return undefined;
      const request = { idempotencyKey: voidKey(payment), reference: payment.providerReference ?? "" };
      return answerOf(providerOf(item.tenant).void(request));
    },
    apply: concluding<Answered | undefined>(clock, (payment, answer) => {
      if (answer?.kind !== "refused") return answer && concludeVoid(payment, answer.reference);
      tellRefusal(log, { payment, work: "void", code: answer.code });
      return refuseVoid(payment, answer.code);
    }),
  });
}
