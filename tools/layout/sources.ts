// The source files that the layout rules look at, as a map from path to text.
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";

/** Path from the repository's root, with forward slashes, to the file's text. */
export type Sources = ReadonlyMap<string, string>;

export interface Violation {
  path: string;
  message: string;
}

/** The folders that hold our code. */
export const layoutFolders = ["services", "test", "tools"];
const foldersSkipped = new Set(["node_modules", ".ordermesh", "dist"]);
const textPattern = /\.(ts|tsx|js|mjs|cjs|css|html|sql|py|go|sh|md)$/;

async function pathsBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const paths = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      if (!entry.isDirectory()) return [path];
      return foldersSkipped.has(entry.name) ? [] : pathsBelow(path);
    }),
  );
  return paths.flat();
}

/** Files that are no text known here are listed with an empty text. */
export async function readSources(root: string, folders: readonly string[]): Promise<Sources> {
  const paths = (await Promise.all(folders.map((folder) => pathsBelow(join(root, folder))))).flat().toSorted();
  const texts = await Promise.all(paths.map(async (path) => (textPattern.test(path) ? readFile(path, "utf8") : "")));
  return new Map(paths.map((path, index) => [relative(root, path).replaceAll("\\", "/"), texts[index] ?? ""]));
}

/** Tests and what only tests start. */
export const isTest = (path: string): boolean => /\.(test|fixture)\.ts$/.test(path);
