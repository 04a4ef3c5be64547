// CancelOrder: until dispatch. Once a parcel is being made, shipping has the last word on whether it still can be stopped.
import { Code, ConnectError } from "@connectrpc/connect";
import { OrderSchema } from "#gen/ordermesh/orders/v1/order_pb.ts";
import type { CancelOrderRequest } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { reasonOf, refuse } from "#runtime/errors.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { crashPoint } from "#runtime/faults.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { cancel, type CancelOutcome } from "../domain/facts.ts";
import type { OrderProgress } from "../domain/order.ts";
import { announceAndSave } from "../events/announce.ts";
import { keyOf, lockOrders } from "../store/progress.ts";
import type { OrdersTables } from "../store/tables.ts";
import { stateMessages } from "./order-message.ts";
import { orderNotFound } from "./read.ts";

type Cancellation = Pick<CancelOrderRequest, "orderId" | "reason">;

const reason = "CANCELLED_BY_REQUEST";

export function cancelOrder(runtime: ServiceRuntime<OrdersTables>): (request: Cancellation) => Promise<void> {
  const shipping = runtime.client(ShippingService);

  const decide = async (request: Cancellation, shipmentStopped: boolean): Promise<CancelOutcome> => {
    const outcome = await runtime.transaction(async (tx) => {
      const key = { tenant: currentRequest().tenant, orderId: request.orderId };
      const order = (await lockOrders(tx, [key])).get(keyOf(key));
      if (!order) throw orderNotFound(request.orderId);
      const now = runtime.clock.now();
      const outcome = cancel(order.progress, { time: now, reason, detail: request.reason, shipmentStopped });
      if (outcome.kind !== "cancelled") return outcome;
      await recordChange(tx, {
        resource: { kind: "order", id: request.orderId },
        before: shownProgress(order.progress),
        after: shownProgress(outcome.progress),
      });
      order.progress = outcome.progress;
      const announced = outcome.announcements.map((announcement) => ({ order, announcement, cause: requestCause() }));
      await announceAndSave(tx, { changed: [order], announced, now });
      crashPoint("orders.cancel", "before_commit");
      return outcome;
    });
    crashPoint("orders.cancel", "after_commit");
    return outcome;
  };

  return async (request) => {
    const first = await decide(request, false);
    const outcome = first.kind === "stop_shipment_first" ? await stopAndDecide(request) : first;
    switch (outcome.kind) {
      case "cancelled":
      case "already_cancelled":
        return;
      case "too_late":
        throw alreadyDispatched(request.orderId);
      case "stop_shipment_first":
        throw new Error("a stopped shipment was asked to be stopped again");
    }
  };

  // Should we die between the two steps, the ShipmentStopped event cancels the order in our place.
  async function stopAndDecide(request: Cancellation): Promise<CancelOutcome> {
    try {
      const words = request.reason === "" ? reason : `${reason}: ${request.reason}`;
      await shipping.stopShipment({ orderId: request.orderId, reason: words.slice(0, 500) });
    } catch (error) {
      if (error instanceof ConnectError && reasonOf(error) === "ALREADY_DISPATCHED") throw alreadyDispatched(request.orderId);
      throw error;
    }
    return decide(request, true);
  }
}

const shownProgress = ({ state, cancelReason, cancelDetail }: OrderProgress) =>
  shown(OrderSchema, { state: stateMessages[state], cancelReason, cancelDetail });

function alreadyDispatched(orderId: string): ConnectError {
  const message = "the parcel has left; ask for a return instead";
  return refuse(Code.FailedPrecondition, "ORDER_ALREADY_DISPATCHED", message, { orderId });
}
