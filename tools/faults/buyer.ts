// A buyer whose bank wants it to prove who it is.
import type { Sender } from "./command.ts";

const lookEveryMs = 150;
const waiting: readonly unknown[] = [undefined, "PAYMENT_STATE_PENDING", "PAYMENT_STATE_ACTION_REQUIRED"];

/** What the buyer goes on with; empty where it is asked for nothing in the time given. */
export async function secretOf(sender: Sender, orderId: string, isPassing: () => boolean): Promise<string> {
  while (isPassing()) {
    // Undefined before the order's payment is asked for.
    const payment = await sender.read(`/v1/orders/${orderId}/payment`);
    const { clientSecret = "" } = (payment?.["action"] ?? {}) as { clientSecret?: string };
    if (clientSecret !== "" || !waiting.includes(payment?.["state"])) return clientSecret;
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
  return "";
}
