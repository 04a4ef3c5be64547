// What an order is to its own rules. Amounts are whole minor units, times are dates; no database, no wire.

export type OrderState =
  | "scheduled"
  | "pending"
  | "pending_shipment"
  | "partially_shipped"
  | "shipped"
  | "delivered"
  | "returned"
  | "cancelled";
export type InventoryStatus = "pending" | "reserved" | "insufficient" | "released";
export type FraudStatus = "pending" | "review" | "cleared" | "rejected";
export type PaymentStatus = "pending" | "action_required" | "declined" | "authorized" | "captured" | "voided" | "refunded";
export type ShipmentStatus =
  | "pending"
  | "created"
  | "partially_dispatched"
  | "dispatched"
  | "delivery_failed"
  | "delivered"
  | "returned"
  | "stopped";

/** Where a parcel stands, as shipping tells it. */
export const parcelStates = ["CREATED", "DISPATCHED", "DELIVERY_FAILED", "DELIVERED", "RETURNED", "STOPPED"] as const;
export type ParcelState = (typeof parcelStates)[number];

/** A parcel of an order that leaves in several. */
export interface OrderParcel {
  shipmentId: string;
  state: ParcelState;
  trackingNumber: string;
  lines: readonly { sku: string; quantity: number }[];
}

/** The services that report facts, each in its own order. */
export type Reporter = "inventory" | "fraud" | "payments" | "shipping";

export type CancelReason =
  | "OUT_OF_STOCK"
  | "FRAUD_REJECTED"
  | "PAYMENT_DECLINED"
  | "EXPIRED"
  | "CANCELLED_BY_REQUEST"
  | "SHIPMENT_STOPPED"
  | "STOCK_LOST"
  | "PAYMENT_LOST";

export interface TimelineEntry {
  sequence: number;
  state: OrderState;
  time: Date;
  reason: string;
}

/** The part of an order that changes. */
export interface OrderProgress {
  state: OrderState;
  inventory: InventoryStatus;
  fraud: FraudStatus;
  payment: PaymentStatus;
  shipment: ShipmentStatus;
  /** The latest position of each reporter's events that was taken in. */
  heard: Record<Reporter, number>;
  /** True once payment was asked for; it is asked for once. */
  paymentAsked: boolean;
  trackingNumber: string;
  /** Once it leaves in several. */
  parcels: readonly OrderParcel[];
  cancelReason: CancelReason | "";
  cancelDetail: string;
  timeline: TimelineEntry[];
}

/** Which state may follow which. docs/orders.md shows the same table. */
export const stateChanges: Record<OrderState, readonly OrderState[]> = {
  scheduled: ["pending", "cancelled"],
  pending: ["pending_shipment", "cancelled"],
  pending_shipment: ["partially_shipped", "shipped", "cancelled"],
  partially_shipped: ["shipped"],
  shipped: ["delivered", "returned"],
  delivered: [],
  returned: [],
  cancelled: [],
};

export function newProgress(placed: Date): OrderProgress {
  return {
    state: "pending",
    inventory: "pending",
    fraud: "pending",
    payment: "pending",
    shipment: "pending",
    heard: { inventory: 0, fraud: 0, payments: 0, shipping: 0 },
    paymentAsked: false,
    trackingNumber: "",
    parcels: [],
    cancelReason: "",
    cancelDetail: "",
    timeline: [{ sequence: 1, state: "pending", time: placed, reason: "" }],
  };
}
