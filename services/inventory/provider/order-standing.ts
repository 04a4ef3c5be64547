// Orders decides what becomes of an order, so it is asked before a hold ends that nobody has said anything about.
import { OrderState } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersAuditService } from "#gen/ordermesh/orders/v1/orders_audit_pb.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { OrderStanding } from "../domain/reservation.ts";

/** Throws where orders cannot be asked: then nothing is known, and it must be asked again. */
export function orderStandings(runtime: Pick<ServiceRuntime<never>, "client">): (orderId: string) => Promise<OrderStanding> {
  const orders = runtime.client(OrdersAuditService);
  return async (orderId) => {
    const answer = await orders.readOrderStates({ orderIds: [orderId] });
    const order = answer.orders.find((each) => each.orderId === orderId);
    return order ? standingOf(order.state) : "unknown";
  };
}

function standingOf(state: OrderState): OrderStanding {
  switch (state) {
    case OrderState.SCHEDULED:
    case OrderState.PENDING:
      return "open";
    case OrderState.PENDING_SHIPMENT:
    case OrderState.PARTIALLY_SHIPPED:
    case OrderState.SHIPPED:
    case OrderState.DELIVERED:
    case OrderState.RETURNED:
      return "ready";
    case OrderState.CANCELLED:
      return "cancelled";
    case OrderState.UNSPECIFIED:
    default:
      throw new Error(`orders has answered with the state ${state}, which means nothing here`);
  }
}
