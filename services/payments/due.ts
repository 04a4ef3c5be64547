// Calls to the provider: made outside any transaction, repeated under the same key until there is an answer, and
// booked in the transaction that ends them.
import type { Transaction } from "kysely";
import type { Clock } from "#runtime/clock.ts";
import { actFor, byTenant } from "#runtime/database/scope.ts";
import { isDatabaseUnavailable } from "#runtime/errors.ts";
import { createGroup, type Group } from "#runtime/group.ts";
import type { Logger } from "#runtime/log.ts";
import { dueWork, type DueItem, type DueWork } from "#runtime/schedule/due-work.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import {
  authorizeAttemptsMax,
  authorizeKey,
  concludeAuthorization,
  hasLapsed,
  isQuiet,
  needsSettling,
  planAuthorization,
  settle,
  type AuthorizationAnswer,
  type AuthorizationPlan,
} from "./domain/authorization.ts";
import { toCapture } from "./domain/cost.ts";
import {
  concludeCapture,
  concludeRefund,
  concludeVoid,
  needsCapture,
  needsVoid,
  refuseCapture,
  refuseRefund,
  refuseVoid,
} from "./domain/movement.ts";
import { change, type Change, type Payment, type RefusedWork } from "./domain/payment.ts";
import { reconcile, rests } from "./domain/reconcile.ts";
import {
  ProviderRefused,
  ProviderUnavailable,
  type Amount,
  type PaymentProvider,
  type ProviderOf,
  type Statement,
} from "./provider/contract.ts";
import { dueKinds, saveChanges, type Decided } from "./store/changes.ts";
import { keyOf, lockPayments, markAsked, readPayment, type OrderKey, type PaymentsTables } from "./store/payments.ts";
import { finishRefunds, readRefunds, refuseRefunds, type RefundKey } from "./store/refunds.ts";

/** Of payments that are decided about in one transaction. */
const plansMax = 100;
const plansWaitingMax = 10_000;

type Runtime = Pick<ServiceRuntime<PaymentsTables>, "db" | "system" | "clock" | "log">;
type Prepared<Answer> = { item: DueItem; prepared: Answer };
/** The provider's word on a movement; a refusal is its last one. */
type Answered = { kind: "done"; reference: string } | { kind: "refused"; code: string };

const orderKey = ({ tenant, key }: DueItem): OrderKey => ({ tenant, orderId: key });
const wholeAmount = ({ currencyCode, amount }: Payment): Amount => ({ currencyCode, minorUnits: amount });

export function paymentDueWork(runtime: Runtime, providerOf: ProviderOf): DueWork[] {
  const { db, clock, log } = runtime;
  return [
    authorizeWork(runtime, providerOf),
    settleWork(runtime, providerOf),
    dueWork({
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
    }),
    dueWork({
      kind: dueKinds.void,
      prepare: async (item) => {
        const payment = await readPayment(db, orderKey(item));
        if (!payment || !needsVoid(payment)) return undefined;
        const { paymentId, providerReference } = payment;
        const request = { idempotencyKey: `${paymentId}:void`, reference: providerReference ?? "" };
        return answerOf(providerOf(item.tenant).void(request));
      },
      apply: concluding<Answered | undefined>(clock, (payment, answer) => {
        if (answer?.kind !== "refused") return answer && concludeVoid(payment, answer.reference);
        tellRefusal(log, { payment, work: "void", code: answer.code });
        return refuseVoid(payment, answer.code);
      }),
    }),
    refundWork(runtime, providerOf),
    reconcileWork(runtime, providerOf),
  ];
}

/** A refusal would be the same at every repeat, so it is an answer; anything else is thrown and asked again. */
async function answerOf(call: Promise<{ reference: string }>): Promise<Answered> {
  try {
    const { reference } = await call;
    return { kind: "done", reference };
  } catch (error) {
    if (error instanceof ProviderRefused) return { kind: "refused", code: error.code };
    throw error;
  }
}

function tellRefusal(log: Logger, refusal: { payment: Payment; work: RefusedWork; code: string }): void {
  const { payment, work, code } = refusal;
  log.error({ paymentId: payment.paymentId, orderId: payment.orderId, work, code }, "provider_refused");
}

/** Locks the payments of the items, decides about each with the provider's answer, and saves what was decided. */
function concluding<Answer>(clock: Clock, decide: (payment: Payment, answer: Answer, now: Date) => Change | undefined) {
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

interface Planned {
  payment: Payment;
  plan: AuthorizationPlan;
}

/** Decides what to do about payments; those who want to know at the same moment are answered together. */
function createPlans({ system, clock }: Runtime): Group<OrderKey, Planned | undefined> {
  return createGroup({
    run: (keys) =>
      system.transaction(async (tx) => {
        const now = clock.now();
        const planned = new Map<string, Planned>();
        for (const [tenant, own] of byTenant(keys, (key) => key.tenant)) {
          await actFor(tx, tenant);
          const payments = [...(await lockPayments(tx, own)).values()];
          for (const payment of payments) planned.set(keyOf(payment), { payment, plan: planAuthorization(payment, now) });
          const asked = payments.filter((payment) => planned.get(keyOf(payment))?.plan === "ask");
          // Durable before the call: whoever comes after a crash then knows that there may be something to find.
          await markAsked(tx, { payments: asked, now });
        }
        return keys.map((key) => planned.get(keyOf(key)));
      }),
    isOfOne: (error) => !isDatabaseUnavailable(error),
    itemsMax: plansMax,
    inFlightMax: 1,
    waitingMax: plansWaitingMax,
  });
}

function authorizeWork(runtime: Runtime, providerOf: ProviderOf): DueWork {
  const { clock, log } = runtime;
  const plans = createPlans(runtime);
  return dueWork({
    kind: dueKinds.authorize,
    prepare: async (item): Promise<AuthorizationAnswer | undefined> => {
      const planned = await plans.add(orderKey(item));
      if (!planned) return undefined;
      const { payment, plan } = planned;
      const provider = providerOf(item.tenant);
      switch (plan) {
        case "nothing":
          return undefined;
        case "leave":
          return { kind: "not_asked" };
        case "look":
          return (await answerIfKnown(provider, payment, log)) ?? { kind: "unknown" };
        case "ask":
          return ask({ provider, payment, log, isLastAttempt: item.attempt >= authorizeAttemptsMax });
      }
    },
    apply: concluding<AuthorizationAnswer | undefined>(clock, (payment, answer, now) => {
      if (!answer) return undefined;
      if (answer.kind === "unknown") log.error({ paymentId: payment.paymentId }, "authorization_outcome_unknown");
      return concludeAuthorization(payment, answer, now);
    }),
  });
}

interface Asking {
  provider: PaymentProvider;
  payment: Payment;
  log: Logger;
  isLastAttempt: boolean;
}

/** Asks to authorise. Without an answer it looks what came of it; throws where that is unknown and may be tried again. */
async function ask({ provider, payment, log, isLastAttempt }: Asking): Promise<AuthorizationAnswer> {
  try {
    return await provider.authorize({
      idempotencyKey: authorizeKey(payment),
      amount: wholeAmount(payment),
      token: payment.paymentToken ?? "",
    });
  } catch (error) {
    if (!(error instanceof ProviderUnavailable)) throw error;
    const answer = await answerIfKnown(provider, payment, log);
    if (answer) return answer;
    if (isLastAttempt) return { kind: "unknown" };
    throw error;
  }
}

async function answerIfKnown(provider: PaymentProvider, payment: Payment, log: Logger): Promise<AuthorizationAnswer | undefined> {
  try {
    return await provider.lookup(authorizeKey(payment));
  } catch (error) {
    if (!(error instanceof ProviderUnavailable)) throw error;
    log.warn({ paymentId: payment.paymentId, error: error.message }, "authorization_lookup_failed");
    return undefined;
  }
}

/** Looks into the provider's books after a message of the provider's own, and books what happened there without us. */
function reconcileWork({ db, clock, log }: Runtime, providerOf: ProviderOf): DueWork {
  return dueWork({
    kind: dueKinds.reconcile,
    prepare: async (item) => {
      const payment = await readPayment(db, orderKey(item));
      if (!payment || !rests(payment)) return undefined;
      const reference = payment.providerReference ?? "";
      const sums = (await providerOf(item.tenant).statement([reference])).get(reference);
      return sums && { sums, version: payment.version };
    },
    apply: concluding<{ sums: Statement; version: number } | undefined>(clock, (payment, looked) => {
      if (!looked) return undefined;
      // It was changed while we looked: what was seen may be our own doing.
      if (looked.version !== payment.version) return change(payment, {}, { work: ["reconcile"] });
      const booked = reconcile(payment, looked.sums);
      if (booked) log.warn({ paymentId: payment.paymentId, orderId: payment.orderId, ...looked.sums }, "provider_moved_money");
      return booked;
    }),
  });
}

function settleWork({ db, clock, log }: Runtime, providerOf: ProviderOf): DueWork {
  return dueWork({
    kind: dueKinds.settle,
    // Throws until the provider's word is final, so that the runtime comes again, ever more slowly.
    prepare: async (item) => {
      const payment = await readPayment(db, orderKey(item));
      if (!payment || !needsSettling(payment)) return undefined;
      if (hasLapsed(payment, clock.now())) {
        log.error({ paymentId: payment.paymentId }, "authorization_never_settled");
        return undefined;
      }
      const found = await providerOf(item.tenant).lookup(authorizeKey(payment));
      if (!found && !isQuiet(payment, clock.now())) throw new Error("the authorisation may still be on its way");
      return found;
    },
    apply: concluding<AuthorizationAnswer | undefined>(clock, (payment, found) => (found ? settle(payment, found) : undefined)),
  });
}

function refundWork({ db, clock, log }: Runtime, providerOf: ProviderOf): DueWork {
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
