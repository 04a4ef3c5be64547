// Says how gen/ differs from what the contracts would generate now.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { root } from "./command.ts";
import { generate } from "./generate.ts";

async function readTree(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(await Promise.all(paths.map(async (path) => [relative(folder, path), await readFile(path, "utf8")] as const)));
}

export function differences(wanted: ReadonlyMap<string, string>, present: ReadonlyMap<string, string>): string[] {
  const paths = [...new Set([...wanted.keys(), ...present.keys()])].toSorted();
  return paths.flatMap((path) => {
    if (!present.has(path)) return [`missing    gen/${path}`];
    if (!wanted.has(path)) return [`extra      gen/${path}`];
    return wanted.get(path) === present.get(path) ? [] : [`different  gen/${path}`];
  });
}

/** One line a file that is missing, extra or different; empty where gen/ is up to date. */
export async function generatedDifferences(): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "ordermesh-gen-"));
  try {
    await generate({ folder });
    return differences(await readTree(join(folder, "gen")), await readTree(join(root, "gen")));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
