// Parcels move when the carrier said that they would.
import type { Transaction } from "kysely";
import type { Clock } from "#runtime/clock.ts";
import { dueWork, type DueItem, type DueWork } from "#runtime/schedule/due-work.ts";
import type { Carrier } from "./carrier.ts";
import { deliver, dispatch, type Shipment } from "./domain/shipment.ts";
import { deliverKind, dispatchKind, planStep, tellOf, type Step } from "./store/outbox.ts";
import { keyOf, lockShipments, saveSteps, type Tables } from "./store/shipments.ts";

export function shippingDueWork({ clock }: { clock: Clock }, carrier: Carrier): DueWork[] {
  return [
    dueWork<Tables>({
      kind: dispatchKind,
      apply: async (tx, works) => {
        const now = clock.now();
        const steps = await move(tx, works, (shipment) => dispatch(shipment, now));
        await planStep(tx, steps, { kind: deliverKind, inMs: carrier.deliverMs });
        await tellOf(tx, steps, now);
      },
    }),
    dueWork<Tables>({
      kind: deliverKind,
      apply: async (tx, works) => {
        const now = clock.now();
        await tellOf(tx, await move(tx, works, (shipment) => deliver(shipment, now)), now);
      },
    }),
  ];
}

/** Takes the step with every parcel that can take it, and answers those. */
async function move(
  tx: Transaction<Tables>,
  works: readonly { item: DueItem }[],
  step: (shipment: Shipment) => Shipment | undefined,
): Promise<Step[]> {
  const orders = works.map(({ item: { tenant, key, cause } }) => ({ tenant, orderId: key, cause }));
  const shipments = await lockShipments(tx, orders);
  const steps = orders.flatMap(({ cause, ...key }): Step[] => {
    const shipment = shipments.get(keyOf(key));
    const moved = shipment && step(shipment);
    return moved ? [{ shipment: moved, cause }] : [];
  });
  await saveSteps(
    tx,
    steps.map(({ shipment }) => shipment),
  );
  return steps;
}
