// Of an erased customer nothing is kept that says what it wanted to be told, and no message.
import { CustomerErasedSchema } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import { hear, type Hearing } from "#runtime/events/hearing.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { eraseCustomer } from "../store/personal-data.ts";
import type { NotificationsTables } from "../store/tables.ts";

export function erasureHearing({ clock }: Pick<ServiceRuntime<NotificationsTables>, "clock">): Hearing {
  return hear<typeof CustomerErasedSchema, NotificationsTables>({
    name: "notifications.erase_customer",
    event: CustomerErasedSchema,
    handle: async (tx, events) => {
      for (const { tenant, message } of events) await eraseCustomer(tx, { tenant, customerId: message.customerId }, clock.now());
    },
  });
}
