import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, mkdtemp, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { errorCode } from "./error-details.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import { assertReachable, postgresUser } from "./postgres-user.ts";
import { StartupError } from "./startup-error.ts";

const run = promisify(execFile);
const initTimeoutMs = 60_000;
const passwordFile = "ordermesh-password";

export interface PostgresFolder {
  path: string;
  password: string;
  /** The temporary folder around it, to be removed once the server has ended. */
  removeAfterwards: string | undefined;
}

/** The environment of PostgreSQL's own programs: none of the caller's PG* variables, language or time zone. */
export const postgresEnv = { PATH: process.env["PATH"] ?? "", LC_ALL: "C", TZ: "UTC" };

export interface PrepareFolder {
  binaries: PostgresBinaries;
  /** A temporary folder when absent. */
  dataFolder: string | undefined;
  durable: boolean;
  onProgress?: ((message: string) => void) | undefined;
}

/** Makes the folder ready to be served, creating a database cluster where there is none. StartupError when it cannot be used. */
export async function preparePostgresFolder(options: PrepareFolder): Promise<PostgresFolder> {
  if (options.dataFolder !== undefined) return prepare(options.dataFolder, options);
  const temporary = await temporaryFolder();
  try {
    return { ...(await prepare(join(temporary, "data"), options)), removeAfterwards: temporary };
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

async function prepare(dataFolder: string, options: PrepareFolder): Promise<PostgresFolder> {
  const path = await existingFolder(dataFolder);
  await assertReachable(dirname(path));
  const version = await clusterVersion(path);
  if (version === undefined) await createCluster(path, options);
  else refuseOtherVersion({ path, version, binaries: options.binaries });
  return { path, password: await readPassword(path), removeAfterwards: undefined };
}

/** Owned by the server's user, whose watcher removes it. */
async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "ordermesh-postgres-"));
  if (postgresUser) await chown(folder, postgresUser.uid, postgresUser.gid);
  return folder;
}

async function existingFolder(given: string): Promise<string> {
  await mkdir(given, { recursive: true });
  return realpath(given);
}

async function clusterVersion(path: string): Promise<string | undefined> {
  const file = join(path, "PG_VERSION");
  const owner = await stat(file).then(({ uid }) => uid, unlessAbsent(path));
  if (owner === undefined) return undefined;
  const user = postgresUser?.uid ?? process.getuid?.();
  if (owner !== user) throw notOurs(path);
  return (await readFile(file, "utf8")).trim();
}

async function readPassword(path: string): Promise<string> {
  return readFile(join(path, passwordFile), "utf8").catch(() => {
    throw new StartupError(`The database in ${path} was not created by ordermesh: set ORDERMESH_DATA_DIR to another folder.`);
  });
}

const unlessAbsent =
  (path: string) =>
  (error: unknown): undefined => {
    if (errorCode(error) === "EACCES") throw notOurs(path);
    if (errorCode(error) !== "ENOENT") throw error;
  };

function notOurs(path: string): StartupError {
  const remedy = "start as the user who created it, or set ORDERMESH_DATA_DIR to another folder";
  return new StartupError(`The database in ${path} belongs to another user: ${remedy}.`);
}

function refuseOtherVersion({ path, version, binaries }: { path: string; version: string; binaries: PostgresBinaries }): void {
  if (version === binaries.version.split(".")[0]) return;
  const remedy = `move that folder away to start empty, or set DATABASE_URL to a PostgreSQL ${version} that serves it`;
  throw new StartupError(
    `The database in ${path} was written by PostgreSQL ${version} and ${binaries.version} cannot read it: ${remedy}.`,
  );
}

/** Builds beside and renames: a start that was cut short never leaves half a cluster that looks whole. */
async function createCluster(path: string, { binaries, durable, onProgress }: PrepareFolder): Promise<void> {
  onProgress?.("creating the database folder (once, about a second)");
  const draft = `${path}.draft`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  if (postgresUser) await chown(draft, postgresUser.uid, postgresUser.gid);
  const passwordDraft = `${draft}.password`;
  const password = randomBytes(18).toString("base64url");
  // Anyone on this machine can reach the port, so the password is a secret of this folder's owner.
  await writeFile(passwordDraft, password, { mode: 0o600 });
  if (postgresUser) await chown(passwordDraft, postgresUser.uid, postgresUser.gid);
  await runInitdb({ initdb: binaries.initdb, draft, passwordDraft, durable });
  await rename(passwordDraft, join(draft, passwordFile));
  await chmod(draft, 0o700);
  await rename(draft, path).catch((error: unknown) => {
    if (!["ENOTEMPTY", "EEXIST"].includes(errorCode(error) ?? "")) throw error;
    const remedy = "empty it, or set ORDERMESH_DATA_DIR to another folder";
    throw new StartupError(`The folder ${path} holds files that are no database: ${remedy}.`);
  });
}

interface RunInitdb {
  initdb: string;
  draft: string;
  passwordDraft: string;
  durable: boolean;
}

async function runInitdb({ initdb, draft, passwordDraft, durable }: RunInitdb): Promise<void> {
  const locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];
  const access = ["--username=postgres", "--auth=scram-sha-256", `--pwfile=${passwordDraft}`];
  const args = [`--pgdata=${draft}`, ...access, ...locale, ...(durable ? [] : ["--no-sync"])];
  await run(initdb, args, { cwd: draft, env: postgresEnv, timeout: initTimeoutMs, ...postgresUser }).catch((error: unknown) => {
    const words = error instanceof Error ? error.message : "";
    throw new StartupError(`PostgreSQL could not create ${draft}: read what it wrote below, or set DATABASE_URL.\n${words}`);
  });
}
