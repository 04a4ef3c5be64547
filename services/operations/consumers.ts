// Of erased customers no event is kept longer than somebody may send it again.
import { OrderErasedSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import type { Clock } from "#runtime/clock.ts";
import { hear, type Hearing } from "#runtime/events/hearing.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import { forgetKind, rememberErased } from "./store/letters/personal-data.ts";
import type { OperationsTables } from "./store/tables.ts";

/** Whoever has closed a letter without seeing that its order is erased has committed by then. */
const settleMs = 5_000;

export function operationsHears({ clock }: { clock: Clock }): Hearing[] {
  return [
    hear<typeof OrderErasedSchema, OperationsTables>({
      name: "operations.erase",
      event: OrderErasedSchema,
      handle: async (tx, events) => {
        const orders = events.map(({ tenant, key }) => ({ tenant, orderId: key }));
        await rememberErased(tx, { orders, now: clock.now() });
        await planDue(
          tx,
          events.map(({ tenant, key, cause }) => ({ kind: forgetKind, tenant, key, due: { inMs: settleMs }, cause })),
        );
      },
    }),
  ];
}
