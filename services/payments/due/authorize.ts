// The provider is asked to hold the money, as often and as long as its silence may be waited for.
import { actFor, byTenant } from "#runtime/database/scope.ts";
import { isDatabaseUnavailable } from "#runtime/errors.ts";
import { createGroup, type Group } from "#runtime/group.ts";
import type { Logger } from "#runtime/log.ts";
import { dueWork, type DueWork } from "#runtime/schedule/due-work.ts";
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
} from "../domain/authorization.ts";
import type { Payment } from "../domain/payment.ts";
import { ProviderUnavailable, type PaymentProvider, type ProviderOf } from "../provider/contract.ts";
import { dueKinds } from "../store/changes.ts";
import { keyOf, lockPayments, markAsked, readPayment, type OrderKey } from "../store/payments.ts";
import { concluding, orderKey, type Runtime } from "./conclude.ts";

/** Of payments that are decided about in one transaction. */
const plansMax = 100;
const plansWaitingMax = 10_000;

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

export function authorizeWork(runtime: Runtime, providerOf: ProviderOf): DueWork {
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
      amount: { currencyCode: payment.currencyCode, minorUnits: payment.amount },
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

export function settleWork({ db, clock, log }: Runtime, providerOf: ProviderOf): DueWork {
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
