// The schema as kysely sees it.
import type { ChangeState } from "../domain/change-saga.ts";
import type { Tax } from "../domain/tax.ts";
import type { FraudStatus, InventoryStatus, OrderParcel, OrderState, PaymentStatus, ShipmentStatus } from "../domain/order.ts";

export interface OrdersTables {
  orders: {
    tenant_id: string;
    order_id: string;
    customer_id: string;
    state: OrderState;
    currency_code: string;
    subtotal: number;
    shipping_cost: number;
    /** Null where there is none. */
    shipping_tax: Tax | null;
    /** On top of subtotal and shipping cost. */
    tax_added: number;
    total: number;
    shipping_method: ShippingMethodName;
    shipping_address: AddressRow | null;
    payment_token: string;
    payment_asked: boolean;
    tracking_number: string;
    cancel_reason: string;
    cancel_detail: string;
    request_id: string | null;
    request_hash: Buffer | null;
    events_sent: number;
    version: number;
    expire_time: Date;
    create_time: Date;
    update_time: Date;
    /** When its customer was taken out of it. */
    erase_time: Date | null;
    priority: PriorityName;
    process_after: Date | null;
    note: string;
    /** Only while it is scheduled: it is told with the order's first event, and not kept. */
    screening: Screening | null;
    /** Empty, as are the others of it, where it was never to be changed. */
    last_change_id: string;
    last_change_state: ChangeState | "";
    last_change_reason: string;
    /** What it cost when it was screened and payment was asked for; null where that is the total. */
    asked_total: number | null;
    /** The return for which it was placed; empty where it was placed by itself. */
    exchange_of_return_id: string;
  };
  order_item: {
    tenant_id: string;
    order_id: string;
    position: number;
    sku: string;
    title: string;
    quantity: number;
    unit_price: number;
    /** Null where there is none. */
    tax: Tax | null;
  };
  order_services: {
    tenant_id: string;
    order_id: string;
    inventory_status: InventoryStatus;
    fraud_status: FraudStatus;
    payment_status: PaymentStatus;
    shipment_status: ShipmentStatus;
    /** Once it leaves in several. */
    parcels: OrderParcel[];
    inventory_heard: number;
    fraud_heard: number;
    payment_heard: number;
    shipment_heard: number;
    expires_at: Date;
    create_time: Date;
    update_time: Date;
  };
  order_timeline: {
    tenant_id: string;
    order_id: string;
    sequence: number;
    state: OrderState;
    reason: string;
    time: Date;
    /** Its place among the changes of all orders; see store/changes.ts. */
    xid: string | null;
  };
}

export type ShippingMethodName = "STANDARD" | "EXPRESS";
export type PriorityName = "NORMAL" | "RUSH";

/** What screening may look at besides the order. */
export interface Screening {
  paymentMethodBin: string;
  deviceFingerprint: string;
  email: string;
}

/** An address as it is kept: the fields of ordermesh.type.v1.Address. */
export interface AddressRow {
  recipient: string;
  lines: string[];
  city: string;
  postalCode: string;
  region: string;
  countryCode: string;
}
