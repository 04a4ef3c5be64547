// ReceiveWebhook: a provider's message makes us look into its books; what it says itself decides nothing.
import { Code, type HandlerContext } from "@connectrpc/connect";
import {
  ReceiveWebhookResponseSchema,
  type ReceiveWebhookRequest,
  type ReceiveWebhookResponse,
} from "#gen/ordermesh/payments/v1/payments_webhook_pb.ts";
import { create } from "@bufbuild/protobuf";
import { actFor } from "#runtime/database/scope.ts";
import { refuse, unavailable } from "#runtime/errors.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { paymentIdOfKey } from "../domain/authorization.ts";
import { ProviderUnavailable, SignatureInvalid, type ProviderMessage, type ProviderOf } from "../provider/contract.ts";
import { readAuditedById } from "../store/audit.ts";
import { dueItem } from "../store/changes.ts";
import type { PaymentsTables } from "../store/payments.ts";

type Runtime = Pick<ServiceRuntime<PaymentsTables>, "system" | "log">;

export function receiveWebhook(
  { system, log }: Runtime,
  providerOf: ProviderOf,
): (request: ReceiveWebhookRequest, call: HandlerContext) => Promise<ReceiveWebhookResponse> {
  return async ({ provider, tenant, body }, { requestHeader }) => {
    const { name, readMessage } = providerOf(tenant);
    if (name !== provider || !readMessage)
      throw refuse(Code.NotFound, "PROVIDER_UNKNOWN", `no messages of "${provider}" are taken here`);
    const bytes = body?.data ?? new Uint8Array();
    const { id, type, idempotencyKeys } = await readMessage({ bytes, headers: requestHeader }).catch(refuseMessage);
    const paymentIds = idempotencyKeys.flatMap((key) => paymentIdOfKey(key) ?? []);
    // The signature has proved the tenant; the call itself is nobody's.
    const payments = await system.transaction(async (tx) => {
      await actFor(tx, tenant);
      const found = await readAuditedById(tx, { tenant, paymentIds });
      const cause = requestCause();
      await planDue(
        tx,
        found.map(({ payment }) => dueItem(payment, "reconcile", cause)),
      );
      return found.length;
    });
    log.info({ provider, tenant, message: id, type, payments }, "payment_webhook");
    return create(ReceiveWebhookResponseSchema, { payments });
  };
}

function refuseMessage(error: unknown): ProviderMessage {
  if (error instanceof SignatureInvalid) throw refuse(Code.InvalidArgument, "WEBHOOK_SIGNATURE_INVALID", error.message);
  if (error instanceof ProviderUnavailable) throw unavailable("the payment provider", error);
  throw error;
}
