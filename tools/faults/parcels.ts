// The warehouse of a run: it sends an order in two parcels.
import type { Outcome, Sender } from "./command.ts";

const lookEveryMs = 150;

interface Parcel {
  shipmentId: string;
  lines: { sku: string; quantity: string }[];
}

/** Takes the first line out of the order's parcel; undefined where it gets none in the time given. It may have left by then. */
export async function splitParcel(
  sender: Sender,
  { orderId, key }: { orderId: string; key: string },
  isPassing: () => boolean,
): Promise<Outcome | undefined> {
  while (isPassing()) {
    const { shipments = [] } = ((await sender.read(`/v1/orders/${orderId}/shipments`)) ?? {}) as { shipments?: Parcel[] };
    const [parcel] = shipments;
    const [line] = parcel?.lines ?? [];
    if (parcel && line) {
      return sender.send({ path: `/v1/shipments/${parcel.shipmentId}:split`, body: { lines: [line] }, key: `${key}-split` });
    }
    // One that was stopped before it was made has no lines.
    if (parcel) return undefined;
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
  return undefined;
}

/** The number of the parcel that was made; empty where none was. */
export function newTrackingNumber(split: Outcome | undefined): string {
  const { newShipment } = (split?.kind === "accepted" ? split.body : {}) as { newShipment?: { trackingNumber?: string } };
  return newShipment?.trackingNumber ?? "";
}
