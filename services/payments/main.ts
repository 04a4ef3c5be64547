// Payments: the money of an order is held, taken, given back, and every movement is in the ledger.
import { file_ordermesh_payments_events_v1_payments_events } from "#gen/ordermesh/payments/events/v1/payments_events_pb.ts";
import { PaymentsAuditService } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { PaymentsSandboxService } from "#gen/ordermesh/payments/v1/payments_sandbox_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { PaymentsWebhookService } from "#gen/ordermesh/payments/v1/payments_webhook_pb.ts";
import type { ServiceDefinition, ServiceRuntime } from "#runtime/service.ts";
import { numberSetting } from "#runtime/settings.ts";
import { paymentHearings } from "./consumers.ts";
import { paymentDueWork } from "./due/work.ts";
import type { ProviderOf } from "./provider/contract.ts";
import { sandboxProvider } from "./provider/sandbox.ts";
import { readProviderName, readProviderTimeoutMs, readStripeSettings } from "./provider/settings.ts";
import { stripeProvider } from "./provider/stripe.ts";
import { withTimeout } from "./provider/timeout.ts";
import { paymentRoutes } from "./rpc/routes.ts";
import { paymentHistory } from "./store/history.ts";
import type { PaymentsTables } from "./store/payments.ts";
import { paymentData } from "./store/personal-data.ts";

type PaymentsRuntime = ServiceRuntime<PaymentsTables>;

/** The service with a provider of one's choice. */
export function paymentsWith(providerFor: (runtime: PaymentsRuntime) => ProviderOf): ServiceDefinition<PaymentsTables> {
  return {
    name: "payments",
    services: [PaymentsService, PaymentsAuditService, PaymentsWebhookService, PaymentsSandboxService],
    emits: [file_ordermesh_payments_events_v1_payments_events],
    migrations: new URL("./migrations/", import.meta.url),
    create: (runtime) => {
      const providerOf = withTimeout(providerFor(runtime), readProviderTimeoutMs(runtime.env));
      return {
        routes: paymentRoutes(runtime, providerOf),
        hears: paymentHearings(runtime, (tenant) => providerOf(tenant).capturesInParts),
        dueWork: paymentDueWork(runtime, providerOf),
        personalData: paymentData(runtime.db),
        history: paymentHistory(runtime.db),
      };
    },
  };
}

export const payments = paymentsWith(({ db, env }) =>
  readProviderName(env) === "stripe"
    ? stripeProvider(readStripeSettings(env))
    : sandboxProvider(db, {
        delayMs: numberSetting(env, "ORDERMESH_SANDBOX_DELAY_MS", { fallback: 2_000, min: 0, max: 60_000 }),
      }),
);
