// Asks the services what they have in their books about orders, and makes of it what the rules compare.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { InventoryAuditService, type ReservationEntry } from "#gen/ordermesh/inventory/v1/inventory_audit_pb.ts";
import { ReservationStateSchema } from "#gen/ordermesh/inventory/v1/stock_pb.ts";
import { OrderStateSchema } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersAuditService, type OrderEntry } from "#gen/ordermesh/orders/v1/orders_audit_pb.ts";
import { PaymentStateSchema } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentsAuditService, type PaymentEntry } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { ShipmentStateSchema } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { ShippingAuditService, type ShipmentEntry } from "#gen/ordermesh/shipping/v1/shipping_audit_pb.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { OrderBooks, PaymentBooks, ReservationBooks, ShipmentBooks, ShipmentState } from "../domain/audit-orders.ts";
import type { OperationsTables } from "../store/tables.ts";
import { asking, stateName } from "./audit-page.ts";

export const orderBooks = (entry: OrderEntry): OrderBooks => ({
  orderId: entry.orderId,
  state: stateName(OrderStateSchema, entry.state) as OrderBooks["state"],
  total: Number(entry.total?.minorUnits ?? 0n),
  currencyCode: entry.total?.currencyCode ?? "",
  units: Number(entry.units),
  askedTotal: entry.askedTotal && Number(entry.askedTotal.minorUnits),
  isChanging: entry.isChanging,
  changeUntil: entry.changeUntil && timestampDate(entry.changeUntil),
  returnRefund: Number(entry.returnRefund?.minorUnits ?? 0n),
  restockedUnits: Number(entry.restockedUnits),
  createTime: entry.createTime ? timestampDate(entry.createTime) : new Date(0),
  stateTime: entry.stateTime ? timestampDate(entry.stateTime) : new Date(0),
  releaseTime: entry.releaseTime && timestampDate(entry.releaseTime),
  waitsFor: entry.waitsFor,
  waitsUntil: entry.waitsUntil && timestampDate(entry.waitsUntil),
});

export const reservationBooks = ({ orderId, state, units, returnedUnits }: ReservationEntry): ReservationBooks => ({
  orderId,
  state: stateName(ReservationStateSchema, state) as ReservationBooks["state"],
  units: Number(units),
  returnedUnits: Number(returnedUnits),
});

export const paymentBooks = ({
  orderId,
  state,
  amount,
  captured,
  refunded,
  undoing,
  returnRefund,
}: PaymentEntry): PaymentBooks => ({
  orderId,
  state: stateName(PaymentStateSchema, state) as PaymentBooks["state"],
  currencyCode: amount?.currencyCode ?? "",
  amount: Number(amount?.minorUnits ?? 0n),
  captured: Number(captured?.minorUnits ?? 0n),
  refunded: Number(refunded?.minorUnits ?? 0n),
  undoing,
  returnRefund: Number(returnRefund?.minorUnits ?? 0n),
});

const shipmentBooks = ({ orderId, parcels, heldByChangeId }: ShipmentEntry): ShipmentBooks => ({
  orderId,
  heldByChangeId,
  parcels: parcels.map(({ state, units }) => ({
    state: stateName(ShipmentStateSchema, state) as ShipmentState,
    units: Number(units),
  })),
});

/** What was found by order id, or why it could not be asked. */
export type Asked<Books> = { byOrder: Map<string, Books> } | { problem: string };

export interface BooksReader {
  orders(orderIds: string[]): Promise<Map<string, OrderBooks>>;
  reservations(orderIds: string[]): Promise<Asked<ReservationBooks>>;
  payments(orderIds: string[]): Promise<Asked<PaymentBooks>>;
  shipments(orderIds: string[]): Promise<Asked<ShipmentBooks>>;
}

const byOrder = <Books extends { orderId: string }>(books: Books[]): Map<string, Books> =>
  new Map(books.map((one) => [one.orderId, one]));

async function asked<Books extends { orderId: string }>(question: Promise<Books[]>): Promise<Asked<Books>> {
  const asked = await asking(question);
  return "problem" in asked ? asked : { byOrder: byOrder(asked.answer) };
}

export function booksReader({ client }: Pick<ServiceRuntime<OperationsTables>, "client">): BooksReader {
  const orders = client(OrdersAuditService);
  const inventory = client(InventoryAuditService);
  const payments = client(PaymentsAuditService);
  const shipping = client(ShippingAuditService);
  return {
    orders: async (orderIds) => {
      const answer = await orders.readOrderStates({ orderIds });
      return byOrder(answer.orders.map(orderBooks));
    },
    reservations: (orderIds) =>
      asked(inventory.auditReservations({ orderIds }).then(({ reservations }) => reservations.map(reservationBooks))),
    payments: (orderIds) => asked(payments.auditOrderPayments({ orderIds }).then((answer) => answer.payments.map(paymentBooks))),
    shipments: (orderIds) =>
      asked(shipping.auditOrderShipments({ orderIds }).then((answer) => answer.shipments.map(shipmentBooks))),
  };
}
