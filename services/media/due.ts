// Removes the files of users that were erased.
import { dueWork, type DueWork } from "#runtime/schedule/due-work.ts";
import { usersFolder } from "./domain/names.ts";
import { eraseFilesKind } from "./events/erase-files.ts";
import type { Media } from "./provider/settings.ts";
import { noteFilesGone } from "./store/personal-data.ts";
import type { MediaTables } from "./store/tables.ts";

export function eraseFiles({ store }: Pick<Media, "store">): DueWork {
  return dueWork<MediaTables>({
    kind: eraseFilesKind,
    prepare: async ({ tenant, key }) => {
      const names: string[] = [];
      for await (const { name } of store.list(usersFolder({ tenant, userId: key }))) names.push(name);
      await store.remove(names);
      return undefined;
    },
    apply: async (tx, items) => {
      for (const { item } of items) await noteFilesGone(tx, { tenant: item.tenant, userId: item.key });
    },
  });
}
