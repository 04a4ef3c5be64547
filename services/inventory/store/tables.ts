// The tables of inventory, as they are read and written.
import type { ReleaseReason, ReservationState } from "../domain/reservation.ts";

export type MovementKind = "INITIAL" | "ADJUSTMENT" | "SHIPMENT" | "RETURN";

export interface InventoryTables {
  stock: {
    tenant_id: string;
    sku: string;
    on_hand: number;
    reserved: number;
    low_stock_threshold: number;
    sequence: number;
    update_time: Date;
  };
  stock_movement: {
    tenant_id: string;
    movement_id: string;
    sku: string;
    type: MovementKind;
    quantity: number;
    reason: string;
    order_id: string | null;
    create_time: Date;
  };
  reservation: {
    tenant_id: string;
    order_id: string;
    state: ReservationState;
    release_reason: ReleaseReason | null;
    expire_time: Date | null;
    sequence: number;
    create_time: Date;
    update_time: Date;
  };
  reservation_line: {
    tenant_id: string;
    order_id: string;
    sku: string;
    quantity: number;
  };
  inventory_report: {
    tenant_id: string;
    report_time: Date;
    skus: number;
    on_hand: number;
    reserved: number;
    low_stock_skus: number;
    low_stock: { sku: string; onHand: number; reserved: number; threshold: number }[];
  };
  adjust_request: {
    tenant_id: string;
    request_id: string;
    content_hash: Buffer;
    movement_id: string | null;
    on_hand: number | null;
    reserved: number | null;
    low_stock_threshold: number | null;
    update_time: Date | null;
  };
}
