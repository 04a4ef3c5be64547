// ResumeOrder: an order that waits for its time and has lost the work that brings it on gets that work again.
import { ResumeOrderRequestSchema, type ResumeOrderRequest } from "#gen/ordermesh/orders/v1/orders_audit_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { resumeWaiting } from "../events/announce.ts";
import { keyOf, lockOrders } from "../store/progress.ts";
import type { OrdersTables } from "../store/tables.ts";
import { orderNotFound } from "./read.ts";

export function resumeOrder({
  transaction,
  log,
}: Pick<ServiceRuntime<OrdersTables>, "transaction" | "log">): (request: ResumeOrderRequest) => Promise<void> {
  return ({ orderId, reason }) =>
    transaction(async (tx) => {
      const key = { tenant: currentRequest().tenant, orderId };
      const order = (await lockOrders(tx, [key])).get(keyOf(key));
      if (!order) throw orderNotFound(orderId);
      if (order.progress.state !== "pending" && order.progress.state !== "scheduled") return;
      const isResumed = await resumeWaiting(tx, order, requestCause());
      if (!isResumed) return;
      log.info({ orderId, reason }, "order_resumed");
      await recordChange(tx, { resource: { kind: "order", id: orderId }, after: shown(ResumeOrderRequestSchema, { reason }) });
    });
}
