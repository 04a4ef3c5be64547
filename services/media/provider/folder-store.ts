// Files in a folder. A rename is what makes one appear, so that a crash leaves a whole one or none.
import { createReadStream } from "node:fs";
import { mkdir, open, opendir, rename, rm, stat } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import type { FileStore } from "./contract.ts";
import { ignoreMissing, notInStore } from "./missing.ts";

/** Of one part of a download: fewer ways to the disk than Node's own, and still far below what a message may have. */
const readBytes = 262_144;

/** @param folder Must be on the file system of the spool, which a rename does not leave. */
export function createFolderStore(folder: string): FileStore {
  const pathOf = (name: string): string => join(folder, name);
  return {
    put: async (name, spooledPath) => {
      const path = pathOf(name);
      await sync(spooledPath);
      if (!(await moved(spooledPath, path))) {
        await mkdir(dirname(path), { recursive: true });
        await rename(spooledPath, path);
      }
      // The name is in the folder, which is to be on the disk, too.
      await sync(dirname(path));
    },

    open: async (name) => {
      const path = pathOf(name);
      const found = await stat(path).catch(ignoreMissing);
      if (!found) return undefined;
      return {
        size: found.size,
        time: found.mtime,
        // Node counts the last byte in.
        chunks: ({ start, end }) =>
          start === end ? none() : createReadStream(path, { start, end: end - 1, highWaterMark: readBytes }),
      };
    },

    withPath: async (name, work) => {
      const path = pathOf(name);
      if (!(await stat(path).catch(ignoreMissing))) throw notInStore(name);
      await work(path);
    },

    remove: async (names) => {
      for (const name of names) await rm(pathOf(name), { force: true });
    },

    async *list(prefix) {
      const root = pathOf(prefix.slice(0, prefix.lastIndexOf("/") + 1));
      const found = await opendir(root, { recursive: true }).catch(ignoreMissing);
      if (!found) return;
      for await (const entry of found) {
        if (!entry.isFile()) continue;
        const path = join(entry.parentPath, entry.name);
        const name = relative(folder, path).split(sep).join("/");
        const known = await stat(path).catch(ignoreMissing);
        if (known && name.startsWith(prefix)) yield { name, time: known.mtime };
      }
    },
  };
}

/** False where its new folder is not there, as for the first file of a folder. */
const moved = (from: string, to: string): Promise<boolean> =>
  rename(from, to).then(
    () => true,
    (error: unknown) => ignoreMissing(error) ?? false,
  );

async function* none(): AsyncGenerator<Uint8Array> {}

async function sync(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
