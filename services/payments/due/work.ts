// All that payments has to ask the provider, and when.
import type { DueWork } from "#runtime/schedule/due-work.ts";
import type { ProviderOf } from "../provider/contract.ts";
import { closeWork } from "./action.ts";
import { authorizeWork, settleWork } from "./authorize.ts";
import type { Runtime } from "./conclude.ts";
import { captureWork, voidWork } from "./movements.ts";
import { reconcileWork } from "./reconcile.ts";
import { refundWork } from "./refund.ts";

export function paymentDueWork(runtime: Runtime, providerOf: ProviderOf): DueWork[] {
  const works = [authorizeWork, closeWork, settleWork, captureWork, voidWork, refundWork, reconcileWork];
  return works.map((work) => work(runtime, providerOf));
}
