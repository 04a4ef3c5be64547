// Takes events of erased customers out of letters that were closed before.
import { dueWork, type DueWork } from "#runtime/schedule/due-work.ts";
import { eraseClosedLetters, forgetKind } from "../store/letters/personal-data.ts";
import type { OperationsTables } from "../store/tables.ts";

export function forgetWork(): DueWork {
  return dueWork<OperationsTables>({
    kind: forgetKind,
    apply: (tx, items) =>
      eraseClosedLetters(
        tx,
        items.map(({ item }) => ({ tenant: item.tenant, orderId: item.key })),
      ),
  });
}
