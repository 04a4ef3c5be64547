// Removes, from time to time, what a crash has left in the spool and files that no row names any more.
import { parseImageName, type OwnedImage } from "../domain/names.ts";
import { holdLease } from "#runtime/lease/lease-store.ts";
import type { BackgroundTask, ServiceRuntime } from "#runtime/service.ts";
import { createWakeUp } from "#runtime/wake-up.ts";
import type { Media } from "../provider/settings.ts";
import { namedImages } from "../store/owners.ts";
import type { MediaTables } from "../store/tables.ts";

const everyMs = 600_000;
/** Far above what an upload takes: a file stands before its row does. */
const ageMs = 3_600_000;
/** Names that are looked up at once. */
const pageMax = 500;

interface SweptFile extends OwnedImage {
  name: string;
}

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
  const removeUnnamed = async (page: readonly SweptFile[]): Promise<void> => {
    const kept = new Set((await namedImages(system.db, page)).map(textOf));
    const names = page.filter((file) => !kept.has(textOf(file))).map(({ name }) => name);
    await store.remove(names);
    removed += names.length;
  };
  let page: SweptFile[] = [];
  for await (const { name, time } of store.list("")) {
    const image = parseImageName(name);
    if (!image || time >= before) continue;
    page.push({ ...image, name });
    if (page.length < pageMax) continue;
    await removeUnnamed(page);
    page = [];
  }
  await removeUnnamed(page);
  if (spooled + removed > 0) log.info({ spooled, removed }, "media_swept");
}

const textOf = ({ tenant, kind, id, contentHash }: OwnedImage): string => `${tenant} ${kind} ${id} ${contentHash}`;
