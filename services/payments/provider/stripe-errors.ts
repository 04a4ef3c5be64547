// What Stripe's errors mean: a bank's no, a refusal for good, or no answer. See https://docs.stripe.com/error-handling.
import { ProviderRefused, ProviderUnavailable } from "./contract.ts";

interface StripeProblem {
  type: string;
  message: string;
  code?: string | undefined;
  decline_code?: string | undefined;
  statusCode?: number | undefined;
}

/** The SDK's errors are told by their type: its classes would have to be loaded to ask for them. */
const isStripeProblem = (error: unknown): error is StripeProblem =>
  error instanceof Error && typeof (error as Partial<StripeProblem>).type === "string";

/** The bank, or the buyer's card, said no. */
export const isCardError = (error: unknown): error is StripeProblem => isStripeProblem(error) && error.type === "StripeCardError";

/** The bank's reason where it gives one. */
export function declineCode(problem: { code?: string | null | undefined; decline_code?: string | null | undefined }): string {
  const { code, decline_code: reason } = problem;
  return reason && reason !== "generic_decline" ? reason : code || "card_declined";
}

/** The code of a refusal that a repeat would get again; undefined where a repeat may be answered. */
export function refusalOf(error: unknown): string | undefined {
  if (!isStripeProblem(error)) return undefined;
  if (error.type === "StripeIdempotencyError") return "idempotency_key_reused";
  if (error.type === "StripeCardError") return declineCode(error);
  // Another request holds the same key, or the same intent.
  if (error.type !== "StripeInvalidRequestError" || error.statusCode === 409) return undefined;
  return error.code === "resource_missing" ? "invalid_token" : error.code || "invalid_request";
}

/** What is to be thrown. Errors that are none of Stripe's are thrown as they are. */
export function unavailableOr(error: unknown, refusal: string | undefined): unknown {
  if (!isStripeProblem(error)) return error;
  return refusal === undefined ? new ProviderUnavailable(`${error.type}: ${error.message}`) : new ProviderRefused(refusal);
}
