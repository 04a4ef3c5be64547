// All that is heard: of some events customers are told, of all of them other programs, and some say who is to be forgotten. In one
// hearing, because an event has one handler in a service.
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { CustomerErasedSchema } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import { OrderCreatedSchema as OrderCreatedV1Schema } from "#gen/ordermesh/orders/events/v1/order_created_pb.ts";
import { OrderErasedSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { hearFacts, tells, type Hearing } from "#runtime/events/hearing.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { raiseOrderCreatedV1 } from "../../upcasts/order-created.ts";
import { publicEvents } from "../events/webhook-events.ts";
import { eraseDeliveries } from "../store/deliveries.ts";
import { eraseCustomer } from "../store/personal-data.ts";
import type { NotificationsTables } from "../store/tables.ts";
import { factOf, planNotifications, type ToldFact } from "./facts.ts";
import { planDeliveries, type PublicEvent } from "./webhooks.ts";

interface Heard extends PublicEvent {
  /** Undefined for what customers are not told of. */
  fact: ToldFact | undefined;
}

const heard = (desc: DescMessage, message: Message): Heard => ({ desc, message, fact: factOf(desc, message) });

export function notificationsHears({
  clock,
  hasMailer,
}: Pick<ServiceRuntime<NotificationsTables>, "clock"> & { hasMailer: boolean }): Hearing[] {
  return [
    hearFacts<NotificationsTables, Heard>({
      name: "notifications.hear",
      tellings: [
        ...publicEvents.map((desc) => tells(desc, (message) => heard(desc, message))),
        tells(OrderCreatedV1Schema, (message) => heard(OrderCreatedSchema, raiseOrderCreatedV1(message))),
      ],
      handle: async (tx, events) => {
        const now = clock.now();
        const facts = events.flatMap((event) => (event.message.fact ? [{ ...event, message: event.message.fact }] : []));
        if (facts.length > 0) await planNotifications(tx, facts, { now, hasMailer });
        await planDeliveries(tx, events, now);
        // Last, so that it takes what the others have just made, too.
        for (const { tenant, key, message } of events) {
          if (message.desc === OrderErasedSchema || message.desc === CustomerErasedSchema) {
            await eraseDeliveries(tx, { tenant, keys: [key] });
          }
          if (message.desc === CustomerErasedSchema) await eraseCustomer(tx, { tenant, customerId: key }, now);
        }
      },
    }),
  ];
}
