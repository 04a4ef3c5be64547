// Takes care of keys and of what has ended, from time to time; planned anew in the transaction in which it is done.
import { dueWork, planDue, type DueWork } from "#runtime/schedule/due-work.ts";
import { careEveryMs, careItem, careRowsMax } from "./domain/care.ts";
import { isRotationDue, planNextKey, publishedKeys } from "./domain/keys.ts";
import { forgetMs } from "./domain/lock-out.ts";
import { deleteExpired } from "./store/expired.ts";
import { deleteKeys, lockKeys, makeKey } from "./store/keys.ts";
import type { IdentityTables } from "./store/tables.ts";
import { readNow } from "./store/time.ts";

export function careWork({ sealingKey }: { sealingKey: () => Buffer }): DueWork {
  return dueWork<IdentityTables>({
    kind: careItem.kind,
    apply: async (tx, items) => {
      const now = await readNow(tx);
      const keys = await lockKeys(tx);
      const next = planNextKey(keys, now);
      if (isRotationDue(keys, now) && next.kind === "make") await makeKey(tx, sealingKey(), { now, signTime: next.signTime });
      const published = new Set(publishedKeys(keys, now));
      await deleteKeys(
        tx,
        keys.filter((key) => !published.has(key)).map(({ keyId }) => keyId),
      );
      const attemptsBefore = new Date(now.getTime() - forgetMs);
      const isMore = await deleteExpired(tx, { now, attemptsBefore, rowsMax: careRowsMax });
      for (const { item } of items) {
        await planDue(tx, [{ ...careItem, due: { inMs: isMore ? 0 : careEveryMs }, cause: item.cause }]);
      }
    },
  });
}
