// What orders keeps about a customer: its orders.
import { toJson, type JsonObject } from "@bufbuild/protobuf";
import { OrderChangeSchema } from "#gen/ordermesh/orders/v1/order_change_pb.ts";
import { OrderSchema } from "#gen/ordermesh/orders/v1/order_pb.ts";
import type { Kysely } from "kysely";
import { recordsMax, remaindersMax, type PersonalData } from "#runtime/privacy/personal-data.ts";
import { readUnerased } from "../store/erasures.ts";
import { readChanges, type ChangeRow } from "../store/order-changes.ts";
import { listOrders, type OrderRow } from "../store/read.ts";
import type { OrdersTables } from "../store/tables.ts";
import { changeMessage } from "./change-messages.ts";
import { orderMessage } from "./order-message.ts";

export function orderData(db: Kysely<OrdersTables>): PersonalData {
  return {
    list: async ({ tenant, customerId, orderIds }, before) => {
      if (orderIds.length > 0) return { records: [] };
      const all = { tenant, customerId, state: undefined, priority: undefined };
      const rows = await listOrders(db, { ...all, before, rowsMax: recordsMax + 1 });
      const page = rows.slice(0, recordsMax);
      const changed = page.filter((row) => row.last_change_id !== "").map((row) => row.order_id);
      const changes = Map.groupBy(await readChanges(db, tenant, changed), ({ orderId }) => orderId);
      const records = page.map((row) => ({
        kind: "order",
        id: row.order_id,
        content: { ...contentOf(row), ...changesOf(row, changes.get(row.order_id)) },
      }));
      return { records, next: rows.length > recordsMax ? page.at(-1)?.order_id : undefined };
    },

    remainders: async ({ tenant, customerId, orderIds }) => {
      if (orderIds.length > 0) return [];
      const rows = await readUnerased(db, { tenant, customerId }, remaindersMax);
      return rows.map(({ orderId, state }) => {
        const isFinal = state === "delivered" || state === "returned" || state === "cancelled";
        return { kind: "order", id: orderId, reason: isFinal ? "SOON" : state.toUpperCase() };
      });
    },
  };
}

function changesOf({ currency_code: currencyCode }: OrderRow, changes: readonly ChangeRow[] = []): JsonObject {
  if (changes.length === 0) return {};
  return { changes: changes.map((change) => toJson(OrderChangeSchema, changeMessage(change, currencyCode))) };
}

/** What is shown of it, and what is kept to be screened with it when it begins. */
function contentOf(row: OrderRow): JsonObject {
  const order = toJson(OrderSchema, orderMessage(row)) as JsonObject;
  return row.screening ? { ...order, screening: { ...row.screening } } : order;
}
