// Takes care of keys and of what has ended, from time to time, in one instance of the service at once.
import type { Transaction } from "kysely";
import { holdLease } from "#runtime/lease/lease-store.ts";
import type { BackgroundTask, ServiceRuntime } from "#runtime/service.ts";
import { createWakeUp } from "#runtime/wake-up.ts";
import { isRotationDue, planNextKey, publishedKeys } from "../domain/keys.ts";
import { forgetMs } from "../domain/lock-out.ts";
import { deleteExpired } from "../store/expired.ts";
import { deleteKeys, lockKeys, makeKey } from "../store/keys.ts";
import type { IdentityTables } from "../store/tables.ts";
import { readNow } from "../store/time.ts";

const everyMs = 600_000;
/** Rows of each table that one transaction removes; the next comes at once where there are more. */
const rowsMax = 1_000;

interface CareDeps extends Pick<ServiceRuntime<IdentityTables>, "transaction" | "inBackground"> {
  sealingKey: () => Buffer;
}

export function careTask({ transaction, inBackground, sealingKey }: CareDeps): BackgroundTask {
  return {
    name: "care",
    run: async (_bus, lease, signal) => {
      const pause = createWakeUp();
      while (!signal.aborted) {
        const isMore = await inBackground(() =>
          transaction(async (tx) => {
            await holdLease(tx, lease);
            return takeCare(tx, sealingKey);
          }),
        );
        if (!isMore) await pause.wait(everyMs, signal);
      }
    },
  };
}

/** Answers whether there is more to remove. */
async function takeCare(tx: Transaction<IdentityTables>, sealingKey: () => Buffer): Promise<boolean> {
  const now = await readNow(tx);
  const keys = await lockKeys(tx);
  const next = planNextKey(keys, now);
  if (isRotationDue(keys, now) && next.kind === "make") await makeKey(tx, sealingKey(), { now, signTime: next.signTime });
  const published = new Set(publishedKeys(keys, now));
  await deleteKeys(
    tx,
    keys.filter((key) => !published.has(key)).map(({ keyId }) => keyId),
  );
  return deleteExpired(tx, { now, attemptsBefore: new Date(now.getTime() - forgetMs), rowsMax });
}
