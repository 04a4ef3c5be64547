// Files that are being made, under names that nobody knows: what is not whole never stands in the store.
import { randomUUID } from "node:crypto";
import { mkdir, opendir, rm, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { ignoreMissing } from "./missing.ts";

export interface Spool {
  /** Gives a path for a new file, and removes whatever stands there afterwards. */
  using<Result>(work: (path: string) => Promise<Result>): Promise<Result>;
  /** Removes what a crash has left: files that nobody has written to since. Answers how many. */
  sweep(before: Date): Promise<number>;
}

export function createSpool(folder: string): Spool {
  let making: Promise<unknown> | undefined;
  return {
    using: async (work) => {
      const path = join(folder, randomUUID());
      try {
        await (making ??= mkdir(folder, { recursive: true }));
        return await work(path);
      } catch (error) {
        // Whoever comes next makes it anew where somebody has taken it away.
        making = undefined;
        throw error;
      } finally {
        await unlink(path).catch(ignoreMissing);
      }
    },

    sweep: async (before) => {
      let count = 0;
      const found = await opendir(folder).catch(ignoreMissing);
      if (!found) return count;
      for await (const { name } of found) {
        const path = join(folder, name);
        const known = await stat(path).catch(ignoreMissing);
        if (!known || known.mtime >= before) continue;
        await rm(path, { force: true });
        count += 1;
      }
      return count;
    },
  };
}
