// Calls to the provider: made outside any transaction, repeated under the same key until there is an answer, and
// booked in the transaction that ends them.
import type { Transaction } from "kysely";
import type { Clock } from "#runtime/clock.ts";
import type { Logger } from "#runtime/log.ts";
import type { DueItem } from "#runtime/schedule/due-work.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { Change, Payment, RefusedWork } from "../domain/payment.ts";
import { ProviderRefused } from "../provider/contract.ts";
import { saveChanges, type Decided } from "../store/changes.ts";
import { keyOf, lockPayments, type OrderKey, type PaymentsTables } from "../store/payments.ts";

export type Runtime = Pick<ServiceRuntime<PaymentsTables>, "db" | "system" | "clock" | "log">;
export type Prepared<Answer> = { item: DueItem; prepared: Answer };
/** The provider's word on a movement; a refusal is its last one. */
export type Answered = { kind: "done"; reference: string } | { kind: "refused"; code: string };

export const orderKey = ({ tenant, key }: DueItem): OrderKey => ({ tenant, orderId: key });

/** A refusal would be the same at every repeat, so it is an answer; anything else is thrown and asked again. */
export async function answerOf(call: Promise<{ reference: string }>): Promise<Answered> {
  try {
    const { reference } = await call;
    return { kind: "done", reference };
  } catch (error) {
    if (error instanceof ProviderRefused) return { kind: "refused", code: error.code };
    throw error;
  }
}

export function tellRefusal(log: Logger, refusal: { payment: Payment; work: RefusedWork; code: string }): void {
  const { payment, work, code } = refusal;
  log.error({ paymentId: payment.paymentId, orderId: payment.orderId, work, code }, "provider_refused");
}

/** Locks the payments of the items, decides about each with the provider's answer, and saves what was decided. */
export function concluding<Answer>(clock: Clock, decide: (payment: Payment, answer: Answer, now: Date) => Change | undefined) {
  return async (tx: Transaction<PaymentsTables>, items: readonly Prepared<Answer>[]): Promise<void> => {
    const now = clock.now();
    const keys = items.map(({ item }) => orderKey(item));
    const payments = await lockPayments(tx, keys);
    const decided = items.flatMap(({ item, prepared }): Decided[] => {
      const payment = payments.get(keyOf(orderKey(item)));
      const change = payment && decide(payment, prepared, now);
      return change ? [{ change, cause: item.cause }] : [];
    });
    await saveChanges(tx, decided, now);
  };
}
