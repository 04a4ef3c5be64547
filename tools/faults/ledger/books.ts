// What the services have written of a tenant, read from all their schemas at once: the services themselves are not asked.
import type pg from "pg";
import { hasNoEnd } from "../quiet.ts";
import { readChangeBooks, type ChangeBooks } from "./change-books.ts";

export interface OrderRow {
  orderId: string;
  requestId: string | null;
  state: string;
  cancelReason: string;
  total: number;
  eventsSent: number;
  method: string;
  /** The lines of its address with commas; undefined-like where it has none. */
  street: string | null;
  /** The return for which it was placed; empty where there is none. */
  exchangeOf: string;
}

export interface ItemRow {
  orderId: string;
  sku: string;
  quantity: number;
}

export interface StockRow {
  sku: string;
  onHand: number;
  reserved: number;
  moved: number;
}

export interface ReservationRow {
  orderId: string;
  state: string;
}

export interface PaymentRow {
  orderId: string;
  paymentId: string;
  state: string;
  captured: number;
  refunded: number;
  ledgerAuthorized: number;
  ledgerCaptured: number;
  ledgerVoided: number;
  ledgerRefunded: number;
  /** Undefined-like where the provider holds nothing for it. */
  providerReference: string | null;
}

export interface ChargeRow {
  reference: string;
  /** The key under which it was asked for: the payment's id and ":authorize". */
  askedUnder: string | null;
  authorized: number;
  captured: number;
  voided: number;
  refunded: number;
}

export interface ShipmentRow {
  orderId: string;
  state: string;
  isParcel: boolean;
  method: string | null;
  street: string | null;
  lines: { sku: string; quantity: number }[];
}

export interface AssessmentRow {
  orderId: string;
  state: string;
  decider: string | null;
}

export interface ParkedRow {
  service: string;
  eventId: string;
  key: string;
  code: string;
  message: string;
}

export interface DueRow {
  service: string;
  kind: string;
  key: string;
  attempt: number;
  dueTime: Date;
}

/** What is still under way, of all tenants. */
export interface Left {
  parked: ParkedRow[];
  /** Work that is still planned and waits for nobody outside. */
  due: DueRow[];
}

/** Of one tenant, and of all what is still under way. */
export interface Books extends Left, ChangeBooks {
  orders: OrderRow[];
  items: ItemRow[];
  stock: StockRow[];
  reservations: ReservationRow[];
  payments: PaymentRow[];
  charges: ChargeRow[];
  shipments: ShipmentRow[];
  assessments: AssessmentRow[];
}

export async function readBooks(db: pg.Client, tenant: string): Promise<Omit<Books, keyof Left>> {
  const read = async <Row>(statement: string): Promise<Row[]> => (await db.query(statement, [tenant])).rows as Row[];
  return {
    ...(await readChangeBooks(db, tenant)),
    orders: await read(`
      select order_id as "orderId", request_id as "requestId", state, cancel_reason as "cancelReason",
        total::float8 as total, events_sent as "eventsSent", shipping_method as method, ${streetOf("shipping_address")} as street,
        exchange_of_return_id as "exchangeOf"
      from orders.orders where tenant_id = $1`),
    items: await read(`
      select order_id as "orderId", sku, sum(quantity)::float8 as quantity
      from orders.order_item
      where tenant_id = $1 group by 1, 2`),
    stock: await read(`
      select sku, on_hand::float8 as "onHand", reserved::float8 as reserved,
        (
          select coalesce(sum(quantity), 0)::float8 from inventory.stock_movement
          where stock_movement.tenant_id = $1 and stock_movement.sku = stock.sku
        ) as moved
      from inventory.stock where tenant_id = $1`),
    reservations: await read(`select order_id as "orderId", state from inventory.reservation where tenant_id = $1`),
    payments: await read(`
      select order_id as "orderId", payment_id as "paymentId", state, provider_reference as "providerReference",
        captured_minor_units::float8 as captured, refunded_minor_units::float8 as refunded,
        ${["AUTHORIZATION", "CAPTURE", "VOID", "REFUND"].map(ledgerSum).join(", ")}
      from payments.payment where tenant_id = $1`),
    charges: await read(`
      select reference, authorized_minor_units::float8 as authorized, captured_minor_units::float8 as captured,
        voided_minor_units::float8 as voided, refunded_minor_units::float8 as refunded,
        (
          select idempotency_key from payments.sandbox_operation
          where sandbox_operation.tenant_id = $1 and sandbox_operation.reference = sandbox_charge.reference
            and kind = 'authorize'
        ) as "askedUnder"
      from payments.sandbox_charge where tenant_id = $1`),
    shipments: await read(`
      select order_id as "orderId", state, ready_event_id is not null as "isParcel", method, ${streetOf("address")} as street, lines
      from shipping.shipment
      where tenant_id = $1`),
    assessments: await read(`select order_id as "orderId", state, decider from fraud.assessment where tenant_id = $1`),
  };
}

export async function readLeft(db: pg.Client, services: readonly string[]): Promise<Left> {
  const read = async <Row>(statement: string): Promise<Row[]> => (await db.query(statement)).rows as Row[];
  return {
    parked: await read(
      unionOf(
        services,
        (name) => `select '${name}' as service, event_id as "eventId", key, code, message from ${name}.parked_event`,
      ),
    ),
    due: await read(
      unionOf(
        services,
        (name) => `
          select '${name}' as service, kind, key, attempt, greatest(due_time, claimed_until) as "dueTime"
          from ${name}.due_work where not ${hasNoEnd}`,
      ),
    ),
  };
}

const unionOf = (services: readonly string[], statement: (service: string) => string): string =>
  services.map(statement).join(" union all ");

const streetOf = (address: string): string =>
  `(select string_agg(line, ',') from jsonb_array_elements_text(${address} -> 'lines') as line)`;

const ledgerNames: Readonly<Record<string, string>> = {
  AUTHORIZATION: "ledgerAuthorized",
  CAPTURE: "ledgerCaptured",
  VOID: "ledgerVoided",
  REFUND: "ledgerRefunded",
};

const ledgerSum = (type: string): string => `
  (
    select coalesce(sum(amount_minor_units), 0)::float8 from payments.ledger_entry
    where ledger_entry.tenant_id = $1 and ledger_entry.order_id = payment.order_id and type = '${type}'
  ) as "${ledgerNames[type]}"`;
