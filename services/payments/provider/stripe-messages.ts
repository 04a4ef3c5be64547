// What Stripe sends to an endpoint of ours. See https://docs.stripe.com/webhooks/signature.
import type Stripe from "stripe";
import { SignatureInvalid, type ProviderMessage } from "./contract.ts";
import { keyName } from "./stripe-books.ts";

/** An older message is somebody's repeat. Stripe signs each attempt anew. Seconds. */
const ageSecondsMax = 300;

export async function readStripeMessage(
  stripe: Stripe,
  { bytes, headers }: { bytes: Uint8Array; headers: Headers },
  secrets: readonly string[],
): Promise<ProviderMessage> {
  const signature = headers.get("stripe-signature") ?? "";
  for (const secret of secrets) {
    try {
      const event = await stripe.webhooks.constructEventAsync(Buffer.from(bytes), signature, secret, ageSecondsMax);
      return { id: event.id, type: event.type, idempotencyKeys: keysOf(event.data.object) };
    } catch (error) {
      if (!isSignatureProblem(error)) throw error;
    }
  }
  throw notSigned();
}

export const notSigned = (): SignatureInvalid =>
  new SignatureInvalid("no secret of the tenant's has signed this message within the last five minutes");

/** A body that is no JSON was signed by nobody who knows what we talk about. */
const isSignatureProblem = (error: unknown): boolean =>
  error instanceof SyntaxError ||
  (error instanceof Error && (error as { type?: string }).type === "StripeSignatureVerificationError");

/** An intent has our key in its metadata, and its charges have it as their group; all else that is sent is about neither. */
function keysOf(object: object): string[] {
  const { metadata, transfer_group: group } = object as {
    metadata?: Record<string, string> | null;
    transfer_group?: string | null;
  };
  const key = metadata?.[keyName] ?? group;
  return key ? [key] : [];
}
