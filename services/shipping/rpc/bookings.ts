// BookingsService: parcels that their carrier has yet to book, and by whom they are to go.
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import type { BookingsService, BookShipmentRequest } from "#gen/ordermesh/shipping/v1/bookings_service_pb.ts";
import { ShipmentSchema } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { Carrier, Carriers } from "../carrier/contract.ts";
import { bookBy } from "../domain/booking.ts";
import { stepsOf } from "../domain/parcels.ts";
import type { Shipment } from "../domain/shipment.ts";
import { rebook } from "../store/bookings.ts";
import { readHeld, saveContents } from "../store/holds.ts";
import { planStep, tellOf } from "../store/outbox.ts";
import { findOrdersOf, keyOf, listUnbooked, lockParcels, type Tables, type UnbookedPlace } from "../store/shipments.ts";
import { shipmentMessage } from "./shipment-message.ts";

export function bookingsMethods(runtime: ServiceRuntime<Tables>, carriers: Carriers): ServiceImpl<typeof BookingsService> {
  const { db, clock, transaction } = runtime;
  return {
    listUnbookedShipments: async ({ pageSize, pageToken }) => {
      const rowsMax = pageSizeOf(pageSize);
      const after = placeOf(readPageToken(pageToken));
      const found = await listUnbooked(db, { tenant: currentRequest().tenant, after, rowsMax: rowsMax + 1 });
      const { rows, nextPageToken } = cutPage(found, rowsMax, placeKey);
      return { shipments: rows.map(shipmentMessage), nextPageToken };
    },

    bookShipment: async (request) => ({
      shipment: shipmentMessage(await transaction((tx) => book(tx, request, { carriers, now: clock.now() }))),
    }),
  };
}

const placeKey = ({ createTime, orderId, parcel }: UnbookedPlace): string => `${createTime.getTime()}.${orderId}.${parcel}`;

/** Undefined for the begin. */
function placeOf(key: string | undefined): UnbookedPlace | undefined {
  if (key === undefined) return undefined;
  const [, time, orderId, parcel] = /^(\d{1,15})\.([\w-]+)\.(\d{1,5})$/.exec(key) ?? [];
  if (orderId === undefined) {
    throw refuse(Code.InvalidArgument, "PAGE_TOKEN_INVALID", "page_token is not one that an earlier page has given");
  }
  return { createTime: new Date(Number(time)), orderId, parcel: Number(parcel) };
}

/** The parcels of the order are locked, so that none leaves meanwhile. */
async function book(
  tx: Transaction<Tables>,
  { shipmentId, carrier: name }: BookShipmentRequest,
  { carriers, now }: { carriers: Carriers; now: Date },
): Promise<Shipment> {
  const { tenant } = currentRequest();
  const [key] = await findOrdersOf(tx, [{ tenant, shipmentId }]);
  const parcels = (key && (await lockParcels(tx, [key])).get(keyOf(key))) ?? [];
  const before = parcels.find((parcel) => parcel.shipmentId === shipmentId);
  if (!key || !before) {
    throw refuse(Code.NotFound, "SHIPMENT_NOT_FOUND", `there is no shipment ${shipmentId}`, { shipmentId });
  }
  const own = () => carriers.named(before.carrier) ?? carriers.forMethod(before.method ?? "STANDARD");
  const carrier = name === "" ? own() : carriers.named(name);
  if (!carrier) throw refuse(Code.NotFound, "CARRIER_UNKNOWN", `there is no carrier "${name}"`, { shipmentId });
  const outcome = bookBy(carrier, before, { isHeld: (await readHeld(tx, [key])).size > 0 });
  switch (outcome.kind) {
    case "as_it_is":
      return before;
    case "refused":
      throw refuse(Code.FailedPrecondition, outcome.reason, outcome.message, { shipmentId });
    case "changed":
      await saveBooking(tx, { before, after: outcome.shipment, parcels }, { carriers, now });
      return outcome.shipment;
  }
}

async function saveBooking(
  tx: Transaction<Tables>,
  { before, after, parcels }: { before: Shipment; after: Shipment; parcels: readonly Shipment[] },
  { carriers, now }: { carriers: Carriers; now: Date },
): Promise<void> {
  const cause = requestCause();
  const paceOf = (name: string): Carrier["pace"] => carriers.named(name)?.pace;
  await saveContents(tx, [after]);
  await rebook(tx, [{ before, after, cause }], now);
  const side = (shipment: Shipment) => shown(ShipmentSchema, shipmentMessage(shipment));
  await recordChange(tx, { resource: { kind: "shipment", id: after.orderId }, before: side(before), after: side(after) });
  // One that has moved by the clock before has its plan.
  if (!paceOf(before.carrier)) await planStep(tx, [{ shipment: after, cause }], { step: "dispatch", paceOf });
  if (before.numberCount === after.numberCount) return;
  const steps = stepsOf(parcels, [after]).map((step) => ({ ...step, cause, isNumber: true }));
  await tellOf(tx, steps, now);
}
