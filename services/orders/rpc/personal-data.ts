// What orders keeps about a customer: its orders.
import { toJson, type JsonObject } from "@bufbuild/protobuf";
import { OrderSchema } from "#gen/ordermesh/orders/v1/order_pb.ts";
import type { Kysely } from "kysely";
import { recordsMax, remaindersMax, type PersonalData } from "#runtime/privacy/personal-data.ts";
import { readUnerased } from "../store/erasures.ts";
import { listOrders } from "../store/read.ts";
import type { OrdersTables } from "../store/tables.ts";
import { orderMessage } from "./order-message.ts";

export function orderData(db: Kysely<OrdersTables>): PersonalData {
  return {
    list: async ({ tenant, customerId, orderIds }, before) => {
      if (orderIds.length > 0) return { records: [] };
      const rows = await listOrders(db, { tenant, customerId, state: undefined, before, rowsMax: recordsMax + 1 });
      const page = rows.slice(0, recordsMax);
      const records = page.map((row) => ({
        kind: "order",
        id: row.order_id,
        content: toJson(OrderSchema, orderMessage(row)) as JsonObject,
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
