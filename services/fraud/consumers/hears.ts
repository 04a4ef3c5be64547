// New orders are screened; a review of an order that has ended is closed; of an erased customer nothing is told any more. New
// shops get rules.
import type { Transaction } from "kysely";
import { TenantCreatedSchema, type TenantCreated } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import { OrderCreatedSchema as OrderCreatedV1Schema } from "#gen/ordermesh/orders/events/v1/order_created_pb.ts";
import { OrderCancelledSchema, OrderErasedSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { hear, tells, type Hearing, type ReceivedEvent } from "#runtime/events/hearing.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { raiseOrderCreatedV1 } from "../../upcasts/order-created.ts";
import { defaultRules } from "../domain/default-rules.ts";
import { eraseAssessments } from "../store/personal-data.ts";
import { prepareRules } from "../store/rules.ts";
import type { Tables } from "../store/tables.ts";
import { assess } from "./assess.ts";
import { close } from "./close.ts";

export function fraudHears({ clock }: Pick<ServiceRuntime<Tables>, "clock">): Hearing[] {
  return [
    hear<typeof OrderCreatedSchema, Tables>({
      name: "fraud.assess",
      event: OrderCreatedSchema,
      older: [tells(OrderCreatedV1Schema, raiseOrderCreatedV1)],
      handle: (tx, events) => assess(tx, events, clock.now()),
    }),
    hear<typeof OrderCancelledSchema, Tables>({
      name: "fraud.close",
      event: OrderCancelledSchema,
      handle: (tx, events) => close(tx, events, clock.now()),
    }),
    hear<typeof OrderErasedSchema, Tables>({
      name: "fraud.erase",
      event: OrderErasedSchema,
      handle: (tx, events) =>
        eraseAssessments(
          tx,
          events.map(({ tenant, key }) => ({ tenant, orderId: key })),
        ),
    }),
    hear<typeof TenantCreatedSchema, Tables>({
      name: "fraud.prepare_tenant",
      event: TenantCreatedSchema,
      handle: (tx, events) => prepareTenants(tx, events, clock.now()),
    }),
  ];
}

/** Rows can be made only for the tenant whose event it is, so that is who gets them. */
async function prepareTenants(tx: Transaction<Tables>, events: ReceivedEvent<TenantCreated>[], now: Date): Promise<void> {
  for (const { tenant } of events) await prepareRules(tx, { tenant, rules: defaultRules, now });
}
