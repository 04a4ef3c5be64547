// The carrier of a run: it brings parcels back, and says so by messages that are signed as docs/shipping.md has it.
import { Webhook } from "standardwebhooks";
import type { Command, Sender } from "./command.ts";

/** For nothing but such runs. */
const secret = `whsec_${Buffer.from("the carrier of the fault bench").toString("base64")}`;
const lookEveryMs = 150;

/** For the setting ORDERMESH_CARRIER_WEBHOOK_SECRETS. */
export const carrierSecrets = (tenants: readonly string[]): string =>
  tenants.map((tenant) => `sandbox:${tenant}=${secret}`).join();

/** Says that a parcel is back at the sender's. */
export function parcelIsBack(tenant: string, trackingNumber: string): Command {
  const id = `back-${trackingNumber}`;
  const sign = (body: string): Record<string, string> => {
    const now = new Date();
    const timestamp = String(Math.floor(now.getTime() / 1_000));
    return {
      "webhook-id": id,
      "webhook-timestamp": timestamp,
      "webhook-signature": new Webhook(secret).sign(id, now, body),
    };
  };
  return {
    path: `/v1/carrier-webhooks/sandbox/${tenant}`,
    body: { type: "returned_to_sender", trackingNumber, time: new Date().toISOString() },
    headers: sign,
  };
}

/** The number of an order's parcel; empty where it gets none in the time given. */
export async function trackingNumberOf(sender: Sender, orderId: string, isPassing: () => boolean): Promise<string> {
  while (isPassing()) {
    const order = await sender.read(`/v1/orders/${orderId}`);
    const { trackingNumber = "", state } = order ?? {};
    if (trackingNumber !== "" || state === "ORDER_STATE_CANCELLED") return String(trackingNumber);
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
  return "";
}
