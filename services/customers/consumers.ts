// Who has an account is a customer; and an order that was erased may have been the last.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { AccountRegisteredSchema } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import { OrderErasedSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { hear, type Hearing } from "#runtime/events/hearing.ts";
import { planCheck } from "./events/check.ts";
import { insertCustomers } from "./store/customers.ts";
import type { CustomersTables } from "./store/tables.ts";

/** The other services hear of an erased order at the same time as we do. */
const settleMs = 500;

export function customersHears(): Hearing[] {
  return [
    hear<typeof AccountRegisteredSchema, CustomersTables>({
      name: "customers.register",
      event: AccountRegisteredSchema,
      handle: async (tx, events) => {
        const customers = events.map(({ tenant, message: { customerId, registerTime }, time }) => ({
          tenant,
          customerId,
          time: registerTime ? timestampDate(registerTime) : time,
        }));
        await insertCustomers(tx, customers);
      },
    }),
    hear<typeof OrderErasedSchema, CustomersTables>({
      name: "customers.order_erased",
      event: OrderErasedSchema,
      handle: async (tx, events) => {
        const last = new Map(events.map((event) => [event.message.customerId, event]));
        for (const [customerId, { tenant, cause }] of last) {
          await planCheck(tx, { tenant, customerId }, { inMs: settleMs, cause });
        }
      },
    }),
  ];
}
