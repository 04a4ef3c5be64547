// What the provider says of a payment whose buyer has to act. Its books decide, whoever it was that made us look.
import type { ActionLook, ActionOutcome } from "../domain/action.ts";
import { ProviderRefused, type PaymentProvider } from "./contract.ts";

/**
 * Undefined where the buyer may still act. What has failed at the provider could still be tried there with another card, so it
 * is ended there before it counts as failed.
 */
export async function lookAtAction(provider: PaymentProvider, look: ActionLook): Promise<ActionOutcome | undefined> {
  const { authorizeKey, voidKey, reference, isOver } = look;
  const found = await provider.lookup(authorizeKey, reference);
  if (found?.kind === "authorized") return found;
  if (found?.kind === "action_required" && !isOver) return undefined;
  await provider.void({ idempotencyKey: voidKey, reference }).catch((error: unknown) => {
    // There is nothing to give up, or somebody took it: the books tell which.
    if (!(error instanceof ProviderRefused)) throw error;
  });
  const { authorized = 0, voided = 0 } = (await provider.statement([reference])).get(reference) ?? {};
  // The buyer was faster than we were, and it was not given back.
  if (authorized > voided) return { kind: "authorized", reference };
  // A repeat after a crash finds what we have given up ourselves.
  const code = found?.kind === "declined" && !isOver ? found.code : undefined;
  return { kind: "closed", wasHeld: authorized > 0, code };
}
