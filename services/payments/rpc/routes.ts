// The RPCs of payments.
import type { ConnectRouter } from "@connectrpc/connect";
import { PaymentsAuditService } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { PaymentsSandboxService } from "#gen/ordermesh/payments/v1/payments_sandbox_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { PaymentsWebhookService } from "#gen/ordermesh/payments/v1/payments_webhook_pb.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { ProviderOf } from "../provider/contract.ts";
import { readPayments } from "../store/audit.ts";
import type { PaymentsTables } from "../store/payments.ts";
import { auditPayments } from "./audit.ts";
import { listHeldPayments } from "./held.ts";
import { paymentEntry, readVisible, showPayment } from "./payment-message.ts";
import { refundPayment } from "./refund.ts";
import { resumePayment } from "./resume.ts";
import { readReturnsWanted } from "../store/return-refunds.ts";
import { answerChallenge } from "./sandbox.ts";
import { undoPayment } from "./undo.ts";
import { receiveWebhook } from "./webhook.ts";

export function paymentRoutes(runtime: ServiceRuntime<PaymentsTables>, providerOf: ProviderOf): (router: ConnectRouter) => void {
  const { db } = runtime;
  const refund = refundPayment(runtime);
  const audit = auditPayments(runtime, providerOf);
  const undo = undoPayment(runtime);
  const resume = resumePayment(runtime, providerOf);
  return (router) => {
    router.service(PaymentsService, {
      getPayment: async ({ orderId }) => {
        return { payment: await showPayment(db, await readVisible(db, orderId)) };
      },
      resumePayment: async (request) => ({ payment: await showPayment(db, await resume(request)) }),
      refundPayment: async (request) => ({ payment: await refund(request) }),
    });
    router.service(PaymentsSandboxService, { answerChallenge: answerChallenge(runtime, providerOf) });
    router.service(PaymentsWebhookService, { receiveWebhook: receiveWebhook(runtime, providerOf) });
    router.service(PaymentsAuditService, {
      auditPayments: audit,
      auditOrderPayments: async ({ orderIds }) => {
        const payments = await readPayments(db, { tenant: currentRequest().tenant, orderIds });
        const returns = await readReturnsWanted(db, { tenant: currentRequest().tenant, orderIds });
        return { payments: payments.map((payment) => paymentEntry(payment, returns.get(payment.orderId))) };
      },
      listHeldPayments: (request) => listHeldPayments(runtime, request),
      undoPayment: async (request) => ({ payment: paymentEntry(await undo(request)) }),
    });
  };
}
