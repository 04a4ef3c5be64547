// Reading orders: one, or a page.
import { create } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import { OrderPriority, OrderState } from "#gen/ordermesh/orders/v1/order_pb.ts";
import {
  ListOrdersResponseSchema,
  type GetOrderRequest,
  type ListOrdersRequest,
  type ListOrdersResponse,
} from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { isAnothers } from "#runtime/access/authorize.ts";
import { refuse } from "#runtime/errors.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type * as domain from "../domain/order.ts";
import { listOrders, readOrder, type OrderRow } from "../store/read.ts";
import type { OrdersTables, PriorityName } from "../store/tables.ts";
import { orderMessage, stateMessages } from "./order-message.ts";

type Reader = Pick<ServiceRuntime<OrdersTables>, "db">;

export function orderNotFound(orderId: string): ConnectError {
  return refuse(Code.NotFound, "ORDER_NOT_FOUND", `no order ${orderId}`, { orderId });
}

/** Throws ORDER_NOT_FOUND, also where a customer is given who is not the order's, and where a customer asks who is not. */
export async function getOrder(
  { db }: Reader,
  { orderId, customerId = "" }: Pick<GetOrderRequest, "orderId"> & Partial<GetOrderRequest>,
): Promise<OrderRow> {
  const row = await readOrder(db, { tenant: currentRequest().tenant, orderId });
  const isTheirs = customerId === "" || row?.customer_id === customerId;
  if (!row || !isTheirs || isAnothers(row.customer_id)) throw orderNotFound(orderId);
  return row;
}

export async function getOrderPage({ db }: Reader, request: ListOrdersRequest): Promise<ListOrdersResponse> {
  const pageSize = pageSizeOf(request.pageSize);
  const found = await listOrders(db, {
    tenant: currentRequest().tenant,
    customerId: request.customerId,
    state: stateOf(request.state),
    priority: priorityName(request.priority),
    before: readPageToken(request.pageToken),
    rowsMax: pageSize + 1,
  });
  const { rows, nextPageToken } = cutPage(found, pageSize, (row) => row.order_id);
  return create(ListOrdersResponseSchema, { orders: rows.map(orderMessage), nextPageToken });
}

/** Undefined where none is given. */
export function stateOf(message: OrderState): domain.OrderState | undefined {
  const found = Object.entries(stateMessages).find(([, candidate]) => candidate === message);
  return found?.[0] as domain.OrderState | undefined;
}

/** Undefined where none is given. */
export function priorityName(message: OrderPriority): PriorityName | undefined {
  switch (message) {
    case OrderPriority.UNSPECIFIED:
      return undefined;
    case OrderPriority.NORMAL:
      return "NORMAL";
    case OrderPriority.RUSH:
      return "RUSH";
  }
}
