// Held money is taken, or given back.
import { dueWork, type DueWork } from "#runtime/schedule/due-work.ts";
import { captureKey, needsCapture } from "../domain/capture.ts";
import { concludeCapture, concludeVoid, needsVoid, refuseCapture, refuseVoid } from "../domain/movement.ts";
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
      const [due] = payment?.capturesDue ?? [];
      if (!payment || !due || !needsCapture(payment)) return undefined;
      const { currencyCode, capturesDone: position, providerReference } = payment;
      const request = {
        idempotencyKey: captureKey(payment),
        reference: providerReference ?? "",
        amount: { currencyCode, minorUnits: due.amount },
        isFinal: due.isFinal,
      };
      return { position, ...(await answerOf(providerOf(item.tenant).capture(request))) };
    },
    apply: concluding<(Answered & { position: number }) | undefined>(clock, (payment, answer) => {
      // Another attempt at the same capture was faster.
      if (!answer || answer.position !== payment.capturesDone) return undefined;
      if (answer.kind === "done") return concludeCapture(payment, answer);
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
