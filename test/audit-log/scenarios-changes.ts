// The same for changes and returns of orders, and for what other services do for them.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { ReservationChangesService } from "#gen/ordermesh/inventory/v1/reservation_changes_service_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { OrderChangesService } from "#gen/ordermesh/orders/v1/changes_service_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { FraudClearedSchema } from "#gen/ordermesh/fraud/events/v1/fraud_events_pb.ts";
import { StockReservedSchema } from "#gen/ordermesh/inventory/events/v1/inventory_events_pb.ts";
import { ReturnsService } from "#gen/ordermesh/orders/v1/returns_service_pb.ts";
import { PaymentAuthorizedSchema } from "#gen/ordermesh/payments/events/v1/payments_events_pb.ts";
import { ShipmentDeliveredSchema, ShipmentDispatchedSchema } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { ParcelHoldsService } from "#gen/ordermesh/shipping/v1/parcel_holds_service_pb.ts";
import { order, product } from "../../services/inventory/consumers/facts.fixture.ts";
import { inventory } from "../../services/inventory/main.ts";
import { orders } from "../../services/orders/main.ts";
import { neighbours } from "../../services/orders/neighbours.fixture.ts";
import { shipping } from "../../services/shipping/main.ts";
import { serviceFixture } from "../support/service-fixture.ts";
import { worldOf, type Scenario } from "./scenarios.ts";

const items = [{ sku: "MUG", quantity: 2n }];

/** Brings a delivered order to where the method changes something. */
function returnScenario(method: "RequestReturn" | "ApproveReturn" | "RejectReturn" | "ReceiveReturn"): Scenario {
  return {
    method: `ordermesh.orders.v1.ReturnsService/${method}`,
    resourceKind: "return",
    prepare: async () => {
      const fixture = await serviceFixture(orders, { others: neighbours().routes });
      const world = worldOf(fixture);
      const basket = { customerId: "ada", currency: "EUR", paymentToken: "tok_success", items };
      const { order: placed } = await world.client(OrdersService).placeOrder(basket);
      const orderId = placed?.orderId ?? "";
      await fixture.deliver(StockReservedSchema, { orderId });
      await fixture.deliver(FraudClearedSchema, { orderId });
      await fixture.deliver(PaymentAuthorizedSchema, { orderId });
      await fixture.deliver(ShipmentDispatchedSchema, { orderId });
      await fixture.deliver(ShipmentDeliveredSchema, { orderId });
      const returns = world.client(ReturnsService);
      const request = async () =>
        (await returns.requestReturn({ orderId, lines: items, requestId: "return-1", words: "1 Main St" })).return?.returnId ??
        "";
      if (method === "RequestReturn") return { ...world, change: request };
      const which = { orderId, returnId: await request() };
      const approve = async () => (await returns.approveReturn(which)).return?.returnId;
      if (method === "ApproveReturn") return { ...world, change: approve };
      if (method === "RejectReturn") {
        return { ...world, change: async () => (await returns.rejectReturn({ ...which, words: "1 Main St" })).return?.returnId };
      }
      await approve();
      const lines = [{ sku: "MUG", accepted: 2n, restocked: 1n }];
      return { ...world, change: async () => (await returns.receiveReturn({ ...which, lines })).return?.returnId };
    },
  };
}

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
  ...(["RequestReturn", "ApproveReturn", "RejectReturn", "ReceiveReturn"] as const).map(returnScenario),
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
