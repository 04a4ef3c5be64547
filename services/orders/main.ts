// Orders: places them and decides their way; the other services report facts.
import { file_ordermesh_orders_events_v1_order_changed } from "#gen/ordermesh/orders/events/v1/order_changed_pb.ts";
import { file_ordermesh_orders_events_v1_order_events } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { file_ordermesh_orders_events_v1_return_events } from "#gen/ordermesh/orders/events/v1/return_events_pb.ts";
import { file_ordermesh_orders_events_v2_order_created } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { OrdersAuditService } from "#gen/ordermesh/orders/v1/orders_audit_pb.ts";
import { OrderChangesService } from "#gen/ordermesh/orders/v1/changes_service_pb.ts";
import { ReturnsService } from "#gen/ordermesh/orders/v1/returns_service_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { countrySetting, numberSetting } from "#runtime/settings.ts";
import { consumers } from "./consumers.ts";
import { changing } from "./due/changes.ts";
import { exchanging } from "./due/exchanges.ts";
import { erasing, expiry, releasing } from "./due/orders.ts";
import { stoppingParcels } from "./due/stop-parcels.ts";
import { orderHistory } from "./rpc/history.ts";
import { placeOrder } from "./rpc/place.ts";
import { catalogEvents } from "./rpc/prices.ts";
import { routes } from "./rpc/routes.ts";
import { tableTaxProvider } from "./rpc/tax-table.ts";
import { orderData } from "./rpc/personal-data.ts";
import { orderEvents } from "./rpc/change-feed.ts";
import type { OrdersTables } from "./store/tables.ts";

export const orders: ServiceDefinition<OrdersTables> = {
  name: "orders",
  services: [OrdersService, OrderChangesService, ReturnsService, OrdersAuditService],
  emits: [
    file_ordermesh_orders_events_v1_order_events,
    file_ordermesh_orders_events_v1_order_changed,
    file_ordermesh_orders_events_v1_return_events,
    file_ordermesh_orders_events_v2_order_created,
  ],
  follows: [catalogEvents, orderEvents],
  migrations: new URL("./migrations/", import.meta.url),
  create: (runtime) => {
    const lifeSeconds = numberSetting(runtime.env, "ORDERMESH_ORDER_LIFE_SECONDS", { fallback: 900, min: 1, max: 604_800 });
    const orderLifeMs = lifeSeconds * 1_000;
    const hourMs = 3_600_000;
    const dispatchHours = numberSetting(runtime.env, "ORDERMESH_DISPATCH_LIMIT_HOURS", { fallback: 72, min: 1, max: 8_760 });
    const deliveryHours = numberSetting(runtime.env, "ORDERMESH_DELIVERY_LIMIT_HOURS", { fallback: 720, min: 1, max: 8_760 });
    const waitLimits = { dispatchLimitMs: dispatchHours * hourMs, deliveryLimitMs: deliveryHours * hourMs };
    const watchersMax = numberSetting(runtime.env, "ORDERMESH_WATCHERS_MAX", { fallback: 5_000, min: 1, max: 1_000_000 });
    const changeSeconds = numberSetting(runtime.env, "ORDERMESH_ORDER_CHANGE_SECONDS", { fallback: 120, min: 1, max: 3_600 });
    const returnDays = numberSetting(runtime.env, "ORDERMESH_RETURN_DAYS", { fallback: 30, min: 0, max: 3_650 });
    const limits = { ...waitLimits, changeLifeMs: changeSeconds * 1_000 };
    const changes = changing(runtime, limits);
    const taxes = tableTaxProvider(runtime);
    const shopCountryCode = countrySetting(runtime.env, "ORDERMESH_SHOP_COUNTRY", "DE");
    const place = placeOrder({ runtime, taxes, shopCountryCode, orderLifeMs });
    return {
      routes: routes(runtime, {
        place,
        taxes,
        shopCountryCode,
        drive: changes.drive,
        returnDays,
        watchersMax,
        limits,
      }),
      hears: consumers(runtime),
      dueWork: [
        releasing(runtime, { orderLifeMs }),
        expiry(runtime),
        stoppingParcels(runtime),
        changes.work,
        exchanging(runtime, place),
        erasing(runtime),
      ],
      personalData: orderData(runtime.db),
      history: orderHistory(runtime.db, limits),
    };
  },
};
