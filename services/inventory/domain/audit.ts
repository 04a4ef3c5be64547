// What must be true of the stock of a SKU, and what to say where it is not.
import type { ReservationState } from "./reservation.ts";

/** A SKU's stock beside what its movements and its live holds add up to, all read at one moment. */
export interface SkuBooks {
  sku: string;
  onHand: number;
  reserved: number;
  /** Sum of its movements. */
  moved: number;
  /** Sum of the lines of reservations that are HELD or FIRM. */
  held: number;
  /** Without stock records it can still be held by mistake. */
  isStocked: boolean;
}

/** Units of a SKU that left for an order, by the movements and by the reservation, where the two differ. */
export interface UnmatchedDeparture {
  sku: string;
  orderId: string;
  /** Null where nothing is known of the order. */
  state: ReservationState | null;
  /** Units of the line of a SHIPPED reservation. */
  booked: number | null;
  /** Units of the SHIPMENT movement. */
  moved: number | null;
}

export interface Finding {
  check: "stock.on_hand" | "stock.reserved" | "stock.oversold" | "stock.shipped";
  /** The SKU. */
  key: string;
  message: string;
  figures: Record<string, string | number>;
}

export function auditSku({ sku, onHand, reserved, moved, held }: SkuBooks): Finding[] {
  const findings: Finding[] = [];
  if (onHand !== moved) {
    const message = "on hand is not the sum of the movements";
    findings.push({ check: "stock.on_hand", key: sku, message, figures: { on_hand: onHand, movements: moved } });
  }
  if (reserved !== held) {
    const message = "reserved is not the sum of the live holds";
    findings.push({ check: "stock.reserved", key: sku, message, figures: { reserved, live_holds: held } });
  }
  if (reserved > onHand || reserved < 0) {
    const message = reserved < 0 ? "less than nothing is held" : "more is held than there is";
    findings.push({ check: "stock.oversold", key: sku, message, figures: { on_hand: onHand, reserved } });
  }
  return findings;
}

export function auditDeparture({ sku, orderId, state, booked, moved }: UnmatchedDeparture): Finding {
  const figures = {
    order_id: orderId,
    reservation_state: state ?? "NONE",
    reservation_units: booked ?? 0,
    shipment_units: moved ?? 0,
  };
  return { check: "stock.shipped", key: sku, message: departureMessage({ booked, moved }), figures };
}

function departureMessage({ booked, moved }: Pick<UnmatchedDeparture, "booked" | "moved">): string {
  if (moved === null) return "the order was shipped, and no movement says that these units left";
  if (booked === null) return "units left for an order that has no shipped reservation of them";
  return "other units left than the reservation has";
}
