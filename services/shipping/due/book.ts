// Carriers are called for the numbers of parcels, and told of those that are wanted no longer: outside any transaction, again until there
// is an answer, and never twice without a look at what came of the first time.
import type { Transaction } from "kysely";
import type { Logger } from "#runtime/log.ts";
import { dueWork, type DueItem, type DueWork } from "#runtime/schedule/due-work.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { CarrierUnavailable, type BookingDesk, type Carriers, type WhichBooking } from "../carrier/contract.ts";
import { isQuiet, takeAnswer, type BookingAnswer, type CancelAnswer } from "../domain/booking.ts";
import { stepsOf, withParcel } from "../domain/parcels.ts";
import type { Shipment } from "../domain/shipment.ts";
import {
  bookKind,
  markAsked,
  noteProblem,
  readBooking,
  saveBooked,
  saveCancelled,
  unbookKind,
  type Booking,
} from "../store/bookings.ts";
import { saveContents } from "../store/holds.ts";
import { tellOf, type Step } from "../store/outbox.ts";
import { findOrdersOf, keyOf, lockParcels, type Tables } from "../store/shipments.ts";

export type Runtime = Pick<ServiceRuntime<Tables>, "db" | "transaction" | "clock" | "log">;
/** Lines of the address of a tenant's shop. */
export type Senders = (tenant: string) => readonly string[];

interface Booked {
  booking: Booking;
  answer: BookingAnswer;
}

export function bookWork(runtime: Runtime, carriers: Carriers, shipFrom: Senders): DueWork {
  const { db, clock, log } = runtime;
  return dueWork<Tables, Booked | undefined>({
    kind: bookKind,
    prepare: async (item) => {
      const which = { tenant: item.tenant, key: item.key };
      const booking = await readBooking(db, which);
      if (booking?.state !== "REQUESTED") return undefined;
      const answer = await notingProblems(runtime, booking, () => ask(runtime, { which, booking, carriers, shipFrom }));
      return answer && { booking, answer };
    },
    apply: async (tx, items) => {
      const answered = items.flatMap(({ item, prepared }) => (prepared ? [{ item, ...prepared }] : []));
      await takeAnswers(tx, answered, { now: clock.now(), log });
    },
  });
}

/** What the carrier says; undefined where the booking is wanted no longer. */
async function ask(
  { transaction, clock }: Runtime,
  about: { which: WhichBooking; booking: Booking; carriers: Carriers; shipFrom: Senders },
): Promise<BookingAnswer | undefined> {
  const { which, booking, carriers, shipFrom } = about;
  const desk = deskOf(carriers, booking);
  // Somebody asked before, and nobody knows how that ended.
  const found = booking.askTime ? await desk.find(which) : undefined;
  if (found) return found;
  if (!(await transaction((tx) => markAsked(tx, booking, clock.now())))) return undefined;
  const { shipmentId, orderId, method, address, lines } = booking;
  return desk.book({ ...which, shipmentId, orderId, method, from: shipFrom(which.tenant), to: address, lines });
}

function deskOf(carriers: Carriers, { carrier }: Booking): BookingDesk {
  const desk = carriers.named(carrier)?.desk;
  if (!desk) throw new CarrierUnavailable(`ORDERMESH_CARRIER_URLS has no carrier "${carrier}": add it`);
  return desk;
}

/** Passes on what is thrown, so that it is tried again; an operator sees why that is. */
async function notingProblems<Result>({ transaction }: Runtime, booking: Booking, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CarrierUnavailable) await transaction((tx) => noteProblem(tx, booking, error.message));
    throw error;
  }
}

type Answered = Booked & { item: DueItem };

/** What the carrier gave for a parcel that has changed or was stopped meanwhile is given back by whoever changed it. */
async function takeAnswers(
  tx: Transaction<Tables>,
  answered: readonly Answered[],
  { now, log }: { now: Date; log: Logger },
): Promise<void> {
  const orders = await findOrdersOf(
    tx,
    answered.map(({ booking: { tenant, shipmentId } }) => ({ tenant, shipmentId })),
  );
  const parcels = new Map<string, readonly Shipment[]>(await lockParcels(tx, orders));
  const changed: Shipment[] = [];
  const steps: Step[] = [];
  for (const { item, booking, answer } of answered) {
    const { shipmentId, version } = booking;
    const own = parcels.get(keyOf(booking)) ?? [];
    const shipment = own.find((parcel) => parcel.shipmentId === shipmentId);
    const after = shipment && takeAnswer(shipment, { version, answer });
    if (!after) continue;
    tellLog(log, booking, answer);
    changed.push(after);
    parcels.set(keyOf(booking), withParcel(own, after));
    await saveBooked(tx, booking, answer, now);
    if (answer.kind === "refused") continue;
    steps.push(...stepsOf(own, [after]).map((step) => ({ ...step, cause: item.cause, isNumber: true })));
  }
  await saveContents(tx, changed);
  await tellOf(tx, steps, now);
}

function tellLog(log: Logger, { tenant, orderId, shipmentId, carrier }: Booking, answer: BookingAnswer): void {
  const about = { tenant, orderId, shipmentId, carrier };
  if (answer.kind === "refused") log.warn({ ...about, reason: answer.reason }, "carrier_refused");
  else if (answer.labelProblem !== "") log.warn({ ...about, problem: answer.labelProblem }, "carrier_label_left_out");
}

interface Cancelled {
  booking: Booking;
  answer: CancelAnswer;
}

export function unbookWork(runtime: Runtime, carriers: Carriers): DueWork {
  const { db, clock, log } = runtime;
  return dueWork<Tables, Cancelled | undefined>({
    kind: unbookKind,
    prepare: async ({ tenant, key }) => {
      const booking = await readBooking(db, { tenant, key });
      if (booking?.state !== "CANCELLING") return undefined;
      const answer = await notingProblems(runtime, booking, () => deskOf(carriers, booking).cancel({ tenant, key }));
      // Of what it has booked a carrier that does not know it has taken it back by itself.
      if (answer.kind === "unknown" && booking.trackingNumber === "" && !isQuiet(booking.askTime, clock.now())) {
        throw new Error("the booking may still be on its way to the carrier");
      }
      return { booking, answer };
    },
    apply: async (tx, items) => {
      for (const { prepared } of items) {
        if (!prepared) continue;
        const { booking, answer } = prepared;
        await saveCancelled(tx, booking, answer, clock.now());
        if (answer.kind !== "refused") continue;
        const { tenant, orderId, shipmentId, carrier } = booking;
        log.error({ tenant, orderId, shipmentId, carrier, reason: answer.reason }, "booking_not_cancelled");
      }
    },
  });
}
