// What other services would say, for the tests of inventory.
import { create, fromBinary, toBinary, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";
import { sql, type Transaction } from "kysely";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import type { OrderState } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersAuditService } from "#gen/ordermesh/orders/v1/orders_audit_pb.ts";
import { eventContract, eventKey } from "#runtime/events/contract.ts";
import { RefusedEvent, type Hearing, type ReceivedEvent } from "#runtime/events/hearing.ts";
import { groupForHandlers, splitBatch } from "#runtime/events/plan.ts";
import { newId } from "#runtime/ids.ts";
import { testTenant, type ServiceFixture } from "../../../test/support/service-fixture.ts";
import type { InventoryTables } from "../store/tables.ts";

export type Inventory = ServiceFixture<InventoryTables>;

/** A product with one variant a SKU, and how many of it there are. */
export function product(units: Record<string, number>): MessageInitShape<typeof ProductCreatedSchema> {
  const variants = Object.entries(units).map(([sku, initialStock]) => ({ sku, initialStock: BigInt(initialStock) }));
  return { productId: newId("prod"), title: "Thing", variants };
}

export function order(
  orderId: string,
  units: Record<string, number> | [sku: string, quantity: number][],
  expireTime = new Date(Date.now() + 600_000),
): MessageInitShape<typeof OrderCreatedSchema> {
  const entries = Array.isArray(units) ? units : Object.entries(units);
  const lines = entries.map(([sku, quantity]) => ({ sku, quantity: BigInt(quantity) }));
  return { orderId, lines, expireTime: timestampFromDate(expireTime) };
}

/** What orders answers where it is asked for an order; undefined stands for one that nobody has placed. */
export function ordersSaying(stateOf: (orderId: string) => OrderState | undefined): (router: ConnectRouter) => void {
  const entryOf = (orderId: string) => {
    const state = stateOf(orderId);
    return state === undefined ? [] : [{ orderId, state }];
  };
  return (router) =>
    router.service(OrdersAuditService, { readOrderStates: ({ orderIds }) => ({ orders: orderIds.flatMap(entryOf) }) });
}

export interface Told {
  tenant: string;
  orderKey: string;
  hearing: Hearing;
  event: ReceivedEvent<unknown>;
}

export function telling<Desc extends DescMessage>(
  { runtime, parts }: Inventory,
  desc: Desc,
  init: MessageInitShape<Desc>,
  tenant = testTenant,
): Told {
  const hearing = parts.hears?.find(({ versions }) => versions.some((version) => version.desc === desc));
  const version = hearing?.versions.find((candidate) => candidate.desc === desc);
  if (!hearing || !version) throw new Error(`nothing hears ${desc.typeName}`);
  const message = fromBinary(desc, toBinary(desc, create(desc, init)));
  const key = eventKey(eventContract(desc), message);
  const cause = { id: newId("evt"), traceparent: "" };
  const event = { id: cause.id, tenant, key, sequence: 1, time: runtime.clock.now(), cause, message: version.raise(message) };
  return { tenant, orderKey: `${tenant}.${key}`, hearing, event };
}

/** Handles a batch as the runtime does: in one transaction, handler by handler; one that is refused is split. */
export async function deliverBatch(inventory: Inventory, batch: Told[]): Promise<void> {
  try {
    await inventory.runtime.transaction(async (tx) => {
      for (const group of groupForHandlers(batch)) {
        const events = group.map(({ event }) => event) as ReceivedEvent<never>[];
        await group[0]?.hearing.handle(tx as unknown as Transaction<never>, events);
      }
    });
  } catch (error) {
    if (!(error instanceof RefusedEvent)) throw error;
    if (batch.length === 1) return;
    const [front, back] = splitBatch(batch);
    await deliverBatch(inventory, front);
    await deliverBatch(inventory, back);
  }
}

export interface BookedStock {
  onHand: number;
  reserved: number;
  /** Sum of the movements. */
  moved: number;
  /** Sum of the lines of live holds. */
  held: number;
}

/** Every SKU's stock beside what its movements and its live holds add up to. */
export async function readBooks({ runtime }: Inventory, tenant = testTenant): Promise<Record<string, BookedStock>> {
  const read = await sql<BookedStock & { sku: string }>`
    select sku, on_hand as "onHand", reserved,
      coalesce((
        select sum(quantity) from stock_movement moved where (moved.tenant_id, moved.sku) = (stock.tenant_id, stock.sku)
      ), 0)::bigint as moved,
      coalesce((
        select sum(quantity) from reservation_line line join reservation using (tenant_id, order_id)
        where (line.tenant_id, line.sku) = (stock.tenant_id, stock.sku) and state in ('HELD', 'FIRM')
      ), 0)::bigint as held
    from stock where tenant_id = ${tenant} order by sku`.execute(runtime.db);
  return Object.fromEntries(read.rows.map(({ sku, ...booked }) => [sku, booked]));
}

/** Events as words, such as "StockReserved ord_1 1". */
export async function told(inventory: Inventory): Promise<string[]> {
  const events = await inventory.sent();
  return events.map(({ typeName, key, sequence }) => `${typeName.split(".").at(-1)} ${key} ${sequence}`);
}
