// The same for changes of orders, and for what other services do for them.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { ReservationChangesService } from "#gen/ordermesh/inventory/v1/reservation_changes_service_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { OrderChangesService } from "#gen/ordermesh/orders/v1/changes_service_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { ParcelHoldsService } from "#gen/ordermesh/shipping/v1/parcel_holds_service_pb.ts";
import { order, product } from "../../services/inventory/consumers/facts.fixture.ts";
import { inventory } from "../../services/inventory/main.ts";
import { orders } from "../../services/orders/main.ts";
import { neighbours } from "../../services/orders/neighbours.fixture.ts";
import { shipping } from "../../services/shipping/main.ts";
import { serviceFixture } from "../support/service-fixture.ts";
import { worldOf, type Scenario } from "./scenarios.ts";

const items = [{ sku: "MUG", quantity: 2n }];

export const changesScenarios: readonly Scenario[] = [
  {
    method: "ordermesh.orders.v1.OrderChangesService/ConfirmOrderChange",
    resourceKind: "order",
    prepare: async () => {
      const world = worldOf(await serviceFixture(orders, { others: neighbours().routes }));
      // Of an order that has not begun nobody else is asked.
      const processAfter = timestampFromDate(new Date(Date.now() + 3_600_000));
      const basket = { customerId: "ada", currency: "EUR", paymentToken: "tok_success", items, processAfter };
      const { order: placed } = await world.client(OrdersService).placeOrder(basket);
      const orderId = placed?.orderId ?? "";
      const shippingAddress = { recipient: "Ada Lovelace", lines: ["1 Main St"], city: "Paris", countryCode: "FR" };
      const wish = { lines: [{ sku: "MUG", quantity: 1n }], shippingAddress };
      const { token } = await world.client(OrderChangesService).previewOrderChange({ orderId, wish });
      const request = { orderId, wish, token, requestId: "change-1" };
      const change = async () => (await world.client(OrderChangesService).confirmOrderChange(request)).change?.orderId;
      return { ...world, change };
    },
  },
  {
    method: "ordermesh.inventory.v1.ReservationChangesService/ReserveChange",
    resourceKind: "reservation",
    prepare: async () => {
      const fixture = await serviceFixture(inventory);
      const world = worldOf(fixture);
      await fixture.deliver(ProductCreatedSchema, product({ MUG: 10 }));
      await fixture.deliver(OrderCreatedSchema, order("ord_1", { MUG: 1 }));
      const request = { orderId: "ord_1", changeId: "chg_1", lines: items };
      const change = async () => (await world.client(ReservationChangesService).reserveChange(request)).reservation?.orderId;
      return { ...world, change };
    },
  },
  {
    method: "ordermesh.shipping.v1.ParcelHoldsService/HoldParcel",
    resourceKind: "shipment",
    prepare: async () => {
      const world = worldOf(await serviceFixture(shipping));
      const request = { orderId: "ord_1", changeId: "chg_1" };
      return { ...world, change: async () => (await world.client(ParcelHoldsService).holdParcel(request)).orderId };
    },
  },
];
