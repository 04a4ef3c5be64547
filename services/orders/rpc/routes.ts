// The RPCs of orders.
import type { ConnectRouter } from "@connectrpc/connect";
import { OrdersAuditService } from "#gen/ordermesh/orders/v1/orders_audit_pb.ts";
import { OrderChangesService } from "#gen/ordermesh/orders/v1/changes_service_pb.ts";
import { ReturnsService } from "#gen/ordermesh/orders/v1/returns_service_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { refuseBacklog } from "#runtime/backlog.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { TaxProvider } from "../provider/tax.ts";
import type { OrdersTables } from "../store/tables.ts";
import { auditOrders, readOrderStates, type AuditLimits } from "./audit.ts";
import { changesMethods, type DriveChange } from "./changes.ts";
import { cancelOrder } from "./cancel.ts";
import { orderMessage } from "./order-message.ts";
import type { Place } from "./place.ts";
import { getOrder, getOrderPage, orderNotFound } from "./read.ts";
import { returnsMethods } from "./returns.ts";
import { resumeOrder } from "./resume.ts";
import { createChangeFeed } from "./change-feed.ts";
import { watchOrders } from "./watch-orders.ts";
import { watchOrder } from "./watch.ts";

export function routes(
  runtime: ServiceRuntime<OrdersTables>,
  options: {
    place: Place;
    taxes: TaxProvider;
    shopCountryCode: string;
    limits: AuditLimits;
    watchersMax: number;
    drive: DriveChange;
    returnDays: number;
  },
): (router: ConnectRouter) => void {
  const { place, limits, watchersMax, returnDays } = options;
  const assertKeepingUp = refuseBacklog(runtime);
  const cancel = cancelOrder(runtime);
  const feed = createChangeFeed(runtime, { watchersMax });
  const watch = watchOrder(runtime, feed);
  const watchMany = watchOrders(runtime, feed);
  const resume = resumeOrder(runtime);
  const changes = changesMethods(runtime, options);
  return (router) => {
    router.service(OrdersService, {
      placeOrder: async (request) => {
        assertKeepingUp();
        return { order: orderMessage(await place(request)) };
      },
      getOrder: async (request) => ({ order: orderMessage(await getOrder(runtime, request)) }),
      listOrders: (request) => getOrderPage(runtime, request),
      cancelOrder: async ({ orderId, reason }) => {
        // Whoever may not see an order may not end it.
        await getOrder(runtime, { orderId });
        await cancel({ orderId, reason });
        return { order: orderMessage(await getOrder(runtime, { orderId })) };
      },
      watchOrder: (request, context) => watch(request, context.signal),
      watchOrders: (request, context) => watchMany(request, context.signal),
    });
    router.service(OrderChangesService, changes);
    router.service(ReturnsService, returnsMethods({ runtime, returnDays }));
    router.service(OrdersAuditService, {
      auditOrders: (request) => auditOrders(runtime, request, limits),
      readOrderStates: async ({ orderIds }) => ({ orders: await readOrderStates(runtime, orderIds, limits) }),
      resumeOrder: async (request) => {
        await resume(request);
        const [order] = await readOrderStates(runtime, [request.orderId], limits);
        if (!order) throw orderNotFound(request.orderId);
        return { order };
      },
    });
  };
}
