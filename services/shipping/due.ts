// Parcels move when the carrier said that they would.
import type { Transaction } from "kysely";
import type { Clock } from "#runtime/clock.ts";
import { dueWork, planDue, type DueItem, type DueWork } from "#runtime/schedule/due-work.ts";
import type { Carriers } from "./carrier/contract.ts";
import type { CarrierEvent } from "./domain/carrier-events.ts";
import { deliver, dispatch, type Shipment } from "./domain/shipment.ts";
import { readHeld } from "./store/holds.ts";
import { deliverKind, dispatchKind, planStep, tellOf, type Step } from "./store/outbox.ts";
import { trackingOf } from "./domain/tracking.ts";
import { insertTracking } from "./store/tracking.ts";
import { keyOf, lockShipments, saveSteps, type Tables } from "./store/shipments.ts";

export function shippingDueWork({ clock }: { clock: Clock }, carriers: Carriers): DueWork[] {
  const paceOf = (name: string) => carriers.named(name)?.pace;
  return [
    dueWork<Tables>({
      kind: dispatchKind,
      apply: async (tx, works) => {
        const now = clock.now();
        const { free, held } = await splitHeld(tx, works);
        const steps = await move(tx, free, (shipment) => (paceOf(shipment.carrier) ? dispatch(shipment, now) : undefined));
        await planDue(
          tx,
          held.map(({ item: { kind, tenant, key, cause } }) => ({ kind, tenant, key, due: { inMs: heldAgainMs }, cause })),
        );
        await planStep(tx, steps, { step: "deliver", paceOf });
        await Promise.all([trackSteps(tx, steps, { event: "picked_up", now }), tellOf(tx, steps, now)]);
      },
    }),
    dueWork<Tables>({
      kind: deliverKind,
      apply: async (tx, works) => {
        const now = clock.now();
        const steps = await move(tx, works, (shipment) => arrive(shipment, now));
        await Promise.all([trackSteps(tx, steps, { event: "delivered", now }), tellOf(tx, steps, now)]);
      },
    }),
  ];
}

/** A parcel that is held is looked at again after this time. Milliseconds. */
const heldAgainMs = 1_000;

type Work = { item: DueItem };

/** Locks the parcels, and says which of them may leave. */
async function splitHeld<Item extends Work>(
  tx: Transaction<Tables>,
  works: readonly Item[],
): Promise<{ free: Item[]; held: Item[] }> {
  const keyOfWork = ({ item: { tenant, key } }: Work) => ({ tenant, orderId: key });
  await lockShipments(tx, works.map(keyOfWork));
  const isHeld = await readHeld(tx, works.map(keyOfWork));
  const { free = [], held = [] } = Object.groupBy(works, (work) => (isHeld.has(keyOf(keyOfWork(work))) ? "held" : "free"));
  return { free, held };
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

/** After a delivery that failed only the carrier's own word counts. */
const arrive = (shipment: Shipment, now: Date): Shipment | undefined =>
  shipment.state === "DISPATCHED" ? deliver(shipment, now) : undefined;

/** What the clock does is on the parcel's way like what a carrier says. */
async function trackSteps(
  tx: Transaction<Tables>,
  steps: readonly Step[],
  { event, now }: { event: CarrierEvent; now: Date },
): Promise<void> {
  await insertTracking(
    tx,
    steps.map(({ shipment }) => trackingOf(shipment, { id: `clock:${event}`, event, time: now, place: "", detail: "" })),
    now,
  );
}
