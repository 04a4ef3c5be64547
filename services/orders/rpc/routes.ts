// The RPCs of orders.
import type { ConnectRouter } from "@connectrpc/connect";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { OrdersTables } from "../store/tables.ts";
import { cancelOrder } from "./cancel.ts";
import { orderMessage } from "./order-message.ts";
import { placeOrder } from "./place.ts";
import { getOrder, getOrderPage } from "./read.ts";
import { watchOrder } from "./watch.ts";

export function routes(
  runtime: ServiceRuntime<OrdersTables>,
  settings: { orderLifeMs: number },
): (router: ConnectRouter) => void {
  const place = placeOrder({ runtime, ...settings });
  const cancel = cancelOrder(runtime);
  const watch = watchOrder(runtime);
  return (router) => {
    router.service(OrdersService, {
      placeOrder: async (request) => ({ order: orderMessage(await place(request)) }),
      getOrder: async (request) => ({ order: orderMessage(await getOrder(runtime, request)) }),
      listOrders: (request) => getOrderPage(runtime, request),
      cancelOrder: async (request) => {
        await cancel(request);
        const row = await getOrder(runtime, { ...request, $typeName: "ordermesh.orders.v1.GetOrderRequest", customerId: "" });
        return { order: orderMessage(row) };
      },
      watchOrder: (request, context) => watch(request, context.signal),
    });
  };
}
