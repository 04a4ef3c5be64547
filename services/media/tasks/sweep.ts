// Removes, from time to time, what a crash has left in the spool and files that no row names any more.
import type { Kysely } from "kysely";
import { parseImageName, type ImageOwner, type OwnedImage } from "../domain/names.ts";
import { holdLease } from "#runtime/lease/lease-store.ts";
import type { BackgroundTask, ServiceRuntime } from "#runtime/service.ts";
import { createWakeUp } from "#runtime/wake-up.ts";
import type { Media } from "../provider/settings.ts";
import { lockOwner, namedImages } from "../store/owners.ts";
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
type Stores = Pick<Media, "store" | "spool">;

export function sweepTask(deps: Deps, media: Stores): BackgroundTask {
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

export async function sweep(deps: Deps, { store, spool }: Stores): Promise<void> {
  const before = new Date(deps.clock.now().getTime() - ageMs);
  const spooled = await spool.sweep(before);
  let removed = 0;
  const removeUnnamed = async (page: readonly SweptFile[]): Promise<void> => {
    const nobodys = await unnamedOf(deps.system.db, page);
    for (const files of Map.groupBy(nobodys, ownerOf).values()) removed += await removeFiles(deps, store, { files, before });
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
  if (spooled + removed > 0) deps.log.info({ spooled, removed }, "media_swept");
}

/**
 * Removes those of one owner's files that are still old and nobody's; answers how many. It leaves the process inside of its
 * transaction, which nothing else may: while that holds the owner no row can begin to name what goes, and whoever writes the next one
 * looks afterwards whether its file stands.
 */
function removeFiles(
  { system }: Deps,
  store: Media["store"],
  { files, before }: { files: readonly SweptFile[]; before: Date },
): Promise<number> {
  return system.transaction(async (tx) => {
    const [owner] = files;
    if (owner) await lockOwner(tx, owner);
    const names: string[] = [];
    for (const { name } of await unnamedOf(tx, files)) {
      // What was sent again since is young, and its row may be about to come.
      const file = await store.open(name);
      if (file && file.time < before) names.push(name);
    }
    await store.remove(names);
    return names.length;
  });
}

async function unnamedOf(db: Kysely<MediaTables>, files: readonly SweptFile[]): Promise<SweptFile[]> {
  const named = new Set((await namedImages(db, files)).map(textOf));
  return files.filter((file) => !named.has(textOf(file)));
}

const ownerOf = ({ tenant, kind, id }: ImageOwner): string => `${tenant} ${kind} ${id}`;
const textOf = (image: OwnedImage): string => `${ownerOf(image)} ${image.contentHash}`;
