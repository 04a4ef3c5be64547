// Rows and domain values as the contract's messages.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError } from "@connectrpc/connect";
import {
  MovementType,
  ReservationState,
  type ReservationSchema,
  type StockMovementSchema,
  type StockSchema,
} from "#gen/ordermesh/inventory/v1/stock_pb.ts";
import { refuse } from "#runtime/errors.ts";
import type { Reservation } from "../domain/reservation.ts";
import { availableUnits } from "../domain/stock.ts";
import type { AdjustAnswer } from "../store/adjustments.ts";
import type { Movement } from "../store/movements.ts";

export function skuNotFound(sku: string): ConnectError {
  return refuse(Code.NotFound, "SKU_NOT_FOUND", `there are no stock records of SKU ${sku}`, { sku });
}

export function reservationNotFound(orderId: string): ConnectError {
  return refuse(Code.NotFound, "RESERVATION_NOT_FOUND", `nothing was ever held for order ${orderId}`, { orderId });
}

export function stockMessage(stock: AdjustAnswer & { sku: string }): MessageInitShape<typeof StockSchema> {
  return {
    sku: stock.sku,
    onHand: BigInt(stock.onHand),
    reserved: BigInt(stock.reserved),
    available: BigInt(availableUnits(stock)),
    lowStockThreshold: BigInt(stock.lowStockThreshold),
    updateTime: timestampFromDate(stock.updateTime),
  };
}

export function movementMessage(movement: Movement): MessageInitShape<typeof StockMovementSchema> {
  return {
    movementId: movement.movementId,
    sku: movement.sku,
    type: MovementType[movement.type],
    quantity: BigInt(movement.quantity),
    reason: movement.reason,
    orderId: movement.orderId ?? "",
    createTime: timestampFromDate(movement.createTime),
  };
}

export function reservationMessage(reservation: Reservation): MessageInitShape<typeof ReservationSchema> {
  const { orderId, state, lines, expireTime } = reservation;
  return {
    orderId,
    state: ReservationState[state],
    lines: lines.map(({ sku, quantity }) => ({ sku, quantity: BigInt(quantity) })),
    ...(expireTime && { expireTime: timestampFromDate(expireTime) }),
  };
}
