// A payment whose buyer has to act is given up once nobody waits for the buyer any more.
import { dueWork, type DueWork } from "#runtime/schedule/due-work.ts";
import { concludeAction, lookForAction, type ActionOutcome } from "../domain/action.ts";
import { lookAtAction } from "../provider/buyer-action.ts";
import type { ProviderOf } from "../provider/contract.ts";
import { dueKinds } from "../store/changes.ts";
import { readPayment } from "../store/payments.ts";
import { concluding, orderKey, type Runtime } from "./conclude.ts";

export function closeWork({ db, clock }: Runtime, providerOf: ProviderOf): DueWork {
  return dueWork({
    kind: dueKinds.close,
    prepare: async (item) => {
      const look = lookForAction(await readPayment(db, orderKey(item)), clock.now());
      // That it is due says that it is over, whatever our own clock says.
      return look && lookAtAction(providerOf(item.tenant), { ...look, isOver: true });
    },
    apply: concluding<ActionOutcome | undefined>(clock, (payment, outcome, now) =>
      outcome ? concludeAction(payment, outcome, now) : undefined,
    ),
  });
}
