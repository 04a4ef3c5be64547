// The parcels of an order: one, or several once it is split. They number the order's events together.
import { labelBy, type Numbering } from "./booking.ts";
import { hasLeft, type Line, type Shipment, type Split } from "./shipment.ts";

/** A step that a parcel has just taken, or another number that it got, and all parcels of its order as they are after it. */
export interface ParcelStep {
  shipment: Shipment;
  parcels: readonly Shipment[];
  /** Of the event that tells it. */
  sequence: number;
}

/** How many events the order has been told by: each is about one of its parcels. */
const eventsOf = (parcels: readonly Shipment[]): number => parcels.reduce((sum, { eventCount }) => sum + eventCount, 0);

/** The parcels with one of them as it is now, or with a new one at the end. */
export function withParcel(parcels: readonly Shipment[], shipment: Shipment): Shipment[] {
  const isKnown = parcels.some(({ parcel }) => parcel === shipment.parcel);
  return isKnown ? parcels.map((each) => (each.parcel === shipment.parcel ? shipment : each)) : [...parcels, shipment];
}

/** Each step after the one before it, so that each is told with the others as they are then. */
export function stepsOf(parcels: readonly Shipment[], moved: readonly Shipment[]): ParcelStep[] {
  let now = parcels;
  return moved.map((shipment) => {
    now = withParcel(now, shipment);
    return { shipment, parcels: now, sequence: eventsOf(now) };
  });
}

/** So many an order may leave in. */
export const parcelsMax = 20;

export interface SplitWish {
  shipmentId: string;
  /** Each SKU once, of one unit or more. */
  lines: readonly Line[];
  requestId: string;
  requestHash: Buffer;
}

export type SplitRefusal =
  | "REQUEST_ID_REUSED"
  | "SHIPMENT_STOPPED"
  | "ALREADY_DISPATCHED"
  | "SHIPMENT_PACKED"
  | "SHIPMENT_ON_HOLD"
  | "SPLIT_UNITS_EXCEEDED"
  | "SPLIT_LEAVES_NOTHING"
  | "TOO_MANY_PARCELS";

export type SplitOutcome =
  | { kind: "split"; rest: Shipment; made: Shipment }
  | { kind: "repeated"; rest: Shipment; made: Shipment }
  | { kind: "refused"; reason: SplitRefusal; message: string };

/** Takes units out of a parcel that is still here, for another one. */
export function split(
  parcels: readonly Shipment[],
  wish: SplitWish,
  about: { isHeld: boolean; shipmentId: string; carrier: Numbering; now: Date },
): SplitOutcome {
  const shipment = parcels.find(({ shipmentId }) => shipmentId === wish.shipmentId);
  if (!shipment) throw new Error(`${wish.shipmentId} is none of the parcels`);
  const before = parcels.find((parcel) => parcel.split?.requestId === wish.requestId);
  if (before) {
    const isSame = before.split?.requestHash.equals(wish.requestHash);
    if (isSame) return { kind: "repeated", rest: shipment, made: before };
    return refused("REQUEST_ID_REUSED", `request_id ${wish.requestId} was used for another split`);
  }
  const refusal = refusalOf(shipment, parcels, about.isHeld);
  if (refusal) return refusal;
  const rest = take(shipment.lines, wish.lines);
  if (!Array.isArray(rest)) return rest;
  const { requestId, requestHash } = wish;
  const { shipmentId, carrier } = about;
  const made: Shipment = {
    ...shipment,
    ...labelBy(carrier, { shipmentId, bookingVersion: 0 }),
    shipmentId,
    parcel: Math.max(...parcels.map(({ parcel }) => parcel)) + 1,
    split: { fromShipmentId: shipment.shipmentId, requestId, requestHash } satisfies Split,
    lines: [...wish.lines],
    createTime: about.now,
    eventCount: 1,
    numberCount: 0,
  };
  // The event that tells of the new parcel has the numbers of both.
  return { kind: "split", rest: { ...shipment, ...labelBy(carrier, shipment), lines: rest }, made };
}

type Refused = Extract<SplitOutcome, { kind: "refused" }>;

const refused = (reason: SplitRefusal, message: string): Refused => ({ kind: "refused", reason, message });

function refusalOf(shipment: Shipment, parcels: readonly Shipment[], isHeld: boolean): Refused | undefined {
  const { shipmentId, state, packTime } = shipment;
  if (state === "STOPPED") return refused("SHIPMENT_STOPPED", `parcel ${shipmentId} is not to leave`);
  if (hasLeft(shipment)) return refused("ALREADY_DISPATCHED", `parcel ${shipmentId} has left`);
  if (isHeld) return refused("SHIPMENT_ON_HOLD", "its order is being changed: try again in a moment");
  if (packTime) return refused("SHIPMENT_PACKED", `parcel ${shipmentId} is packed: send it as it is`);
  if (parcels.length < parcelsMax) return undefined;
  return refused("TOO_MANY_PARCELS", `an order leaves in at most ${parcelsMax} parcels`);
}

/** What stays. Lines of one SKU are taken from in their order. */
function take(lines: readonly Line[], wanted: readonly Line[]): Line[] | Refused {
  const left = new Map(wanted.map(({ sku, quantity }) => [sku, quantity]));
  const rest = lines.map(({ sku, quantity }) => {
    const taken = Math.min(quantity, left.get(sku) ?? 0);
    left.set(sku, (left.get(sku) ?? 0) - taken);
    return { sku, quantity: quantity - taken };
  });
  const short = wanted.find(({ sku }) => (left.get(sku) ?? 0) > 0);
  if (short) {
    const there = short.quantity - (left.get(short.sku) ?? 0);
    return refused("SPLIT_UNITS_EXCEEDED", `${there} of ${short.sku} are in the parcel: ask for no more`);
  }
  const staying = rest.filter(({ quantity }) => quantity > 0);
  if (staying.length > 0) return staying;
  return refused("SPLIT_LEAVES_NOTHING", "all of the parcel was asked for: leave one unit or more in it");
}
