// Parcels move when the carrier said that they would.
import type { Transaction } from "kysely";
import type { Clock } from "#runtime/clock.ts";
import { dueWork, planDue, type DueItem, type DueWork } from "#runtime/schedule/due-work.ts";
import type { Carriers } from "../carrier/contract.ts";
import type { CarrierEvent } from "../domain/carrier-events.ts";
import { stepsOf, withParcel } from "../domain/parcels.ts";
import { deliver, dispatch, type Shipment } from "../domain/shipment.ts";
import { readHeld } from "../store/holds.ts";
import { deliverKind, dispatchKind, planKey, planStep, tellOf, type Step } from "../store/outbox.ts";
import { trackingOf } from "../domain/tracking.ts";
import { insertTracking } from "../store/tracking.ts";
import { findOrdersOf, keyOf, lockParcels, saveSteps, type OrderKey, type Tables } from "../store/shipments.ts";

export function moveWorks({ clock }: { clock: Clock }, carriers: Carriers): DueWork[] {
  const paceOf = (name: string) => carriers.named(name)?.pace;
  return [
    dueWork<Tables>({
      kind: dispatchKind,
      apply: async (tx, items) => {
        const now = clock.now();
        const { works, parcels } = await lockWorks(tx, items);
        const isHeld = await readHeld(tx, works);
        const mayLeave = (work: Work): boolean => parcels.get(keyOf(work))?.some(({ state }) => state === "CREATED") ?? false;
        const { free = [], held = [] } = Object.groupBy(works.filter(mayLeave), (work) =>
          isHeld.has(keyOf(work)) ? "held" : "free",
        );
        const steps = await move(tx, free, parcels, (shipment) =>
          paceOf(shipment.carrier) ? dispatch(shipment, now) : undefined,
        );
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
      apply: async (tx, items) => {
        const now = clock.now();
        const { works, parcels } = await lockWorks(tx, items);
        const steps = await move(tx, works, parcels, (shipment) => arrive(shipment, now));
        await Promise.all([trackSteps(tx, steps, { event: "delivered", now }), tellOf(tx, steps, now)]);
      },
    }),
  ];
}

/** A parcel that is held is looked at again after this time. Milliseconds. */
const heldAgainMs = 1_000;

/** Planned work, and the order whose parcel it is about. */
interface Work extends OrderKey {
  item: DueItem;
}

/** Locks the parcels of all orders that the work is about. */
async function lockWorks(
  tx: Transaction<Tables>,
  items: readonly { item: DueItem }[],
): Promise<{ works: Work[]; parcels: Map<string, Shipment[]> }> {
  // Work for a parcel that was split off is planned under its own id, which no order has.
  const ofParcels = items.filter(({ item: { key } }) => key.startsWith("shp_"));
  const found = await findOrdersOf(
    tx,
    ofParcels.map(({ item: { tenant, key } }) => ({ tenant, shipmentId: key })),
  );
  const orderIds = new Map(found.map(({ tenant, shipmentId, orderId }) => [`${tenant}.${shipmentId}`, orderId]));
  const works = items.map(({ item }) => {
    const { tenant, key } = item;
    return { item, tenant, orderId: orderIds.get(`${tenant}.${key}`) ?? key };
  });
  return { works, parcels: await lockParcels(tx, works) };
}

/** Takes the step with every parcel that can take it, and answers those. */
async function move(
  tx: Transaction<Tables>,
  works: readonly Work[],
  locked: ReadonlyMap<string, Shipment[]>,
  step: (shipment: Shipment) => Shipment | undefined,
): Promise<Step[]> {
  const orders = new Map<string, readonly Shipment[]>(locked);
  const steps = works.flatMap(({ item, ...key }): Step[] => {
    const parcels = orders.get(keyOf(key)) ?? [];
    const shipment = parcels.find((each) => planKey(each) === item.key);
    const moved = shipment && step(shipment);
    if (!moved) return [];
    orders.set(keyOf(key), withParcel(parcels, moved));
    return stepsOf(parcels, [moved]).map((taken) => ({ ...taken, cause: item.cause }));
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
