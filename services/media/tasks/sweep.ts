// Removes, from time to time, what a crash has left in the spool and files that no row names any more.
import { parseImageName, type ImageKey } from "../domain/names.ts";
import { holdLease } from "#runtime/lease/lease-store.ts";
import type { BackgroundTask, ServiceRuntime } from "#runtime/service.ts";
import { createWakeUp } from "#runtime/wake-up.ts";
import type { Media } from "../provider/settings.ts";
import type { MediaTables } from "../store/tables.ts";
import { currentImages } from "../store/user-images.ts";

const everyMs = 600_000;
/** Far above what an upload takes: a file stands before its row does. */
const ageMs = 3_600_000;
/** Names that are looked up at once. */
const pageMax = 500;

type Deps = Pick<ServiceRuntime<MediaTables>, "system" | "clock" | "log">;

export function sweepTask(deps: Deps, media: Pick<Media, "store" | "spool">): BackgroundTask {
  return {
    name: "sweep",
    run: async (_bus, lease, signal) => {
      const pause = createWakeUp();
      while (!signal.aborted) {
        await deps.system.transaction((tx) => holdLease(tx, lease));
        await sweep(deps, media);
        await pause.wait(everyMs, signal);
      }
    },
  };
}

export async function sweep({ system, clock, log }: Deps, { store, spool }: Pick<Media, "store" | "spool">): Promise<void> {
  const before = new Date(clock.now().getTime() - ageMs);
  const spooled = await spool.sweep(before);
  let removed = 0;
  const removeUnnamed = async (page: readonly { name: string; key: ImageKey }[]): Promise<void> => {
    const kept = new Set(
      (
        await currentImages(
          system.db,
          page.map(({ key }) => key),
        )
      ).map(textOf),
    );
    const names = page.filter(({ key }) => !kept.has(textOf(key))).map(({ name }) => name);
    await store.remove(names);
    removed += names.length;
  };
  let page: { name: string; key: ImageKey }[] = [];
  for await (const { name, time } of store.list("")) {
    const key = parseImageName(name);
    if (!key || time >= before) continue;
    page.push({ name, key });
    if (page.length < pageMax) continue;
    await removeUnnamed(page);
    page = [];
  }
  await removeUnnamed(page);
  if (spooled + removed > 0) log.info({ spooled, removed }, "media_swept");
}

const textOf = ({ tenant, userId, contentHash }: ImageKey): string => `${tenant} ${userId} ${contentHash}`;
