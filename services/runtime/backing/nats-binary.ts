import { execFile } from "node:child_process";
import { access, constants, readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { errorReason } from "./error-details.ts";
import { fetchDebianNats } from "./nats-debian.ts";
import { StartupError } from "./startup-error.ts";
import { compareVersions } from "./version.ts";

const run = promisify(execFile);
const versionTimeoutMs = 5_000;
// Newest first. Stable Debian carries a server older than we need.
const debianSuites = ["forky", "sid"] as const;
// Debian installs the server where an ordinary user's PATH does not look.
const systemFolders = ["/usr/sbin", "/usr/local/sbin"];
const cachedName = /^nats-server-(\d+\.\d+\.\d+)$/;

export const natsVersionMin = "2.12.0";

export interface NatsBinary {
  path: string;
  version: string;
}

export interface FindNatsOptions {
  /** Stands in for process.env. */
  env?: NodeJS.ProcessEnv;
  onProgress?: ((message: string) => void) | undefined;
}

/** Looks where the operator says, then on the machine, then in our cache, then fetches; StartupError lists what was tried. */
export async function findNatsServer({ env = process.env, onProgress }: FindNatsOptions = {}): Promise<NatsBinary> {
  const refusals: string[] = [];
  const named = env["NATS_SERVER_BIN"];
  if (named) {
    const binary = await acceptBinary(named, refusals);
    if (binary) return binary;
    // Someone asked for this one; quietly running another would hide their mistake.
    throw new StartupError(`NATS_SERVER_BIN cannot be used, ${refusals.join("; ")}: correct or unset it, or set NATS_URL.`);
  }
  const cacheFolder = join(env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "ordermesh", "nats-server");
  const candidates = [...(await installedServers(env)), ...(await cachedServers(cacheFolder))];
  for (const path of candidates) {
    const binary = await acceptBinary(path, refusals);
    if (binary) return binary;
  }
  const fetched = await fetchFirst(cacheFolder, refusals, onProgress);
  if (fetched) return fetched;
  const tried = refusals.map((refusal) => `\n  - ${refusal}`).join("");
  throw new StartupError(
    `No nats-server ${natsVersionMin} or newer was found: install one, name one in NATS_SERVER_BIN, or set NATS_URL. Tried:${tried}`,
  );
}

async function acceptBinary(path: string, refusals: string[]): Promise<NatsBinary | undefined> {
  const version = await binaryVersion(path);
  if (version === undefined) refusals.push(`${path} does not run as a nats-server`);
  else if (compareVersions(version, natsVersionMin) < 0) refusals.push(`${path} is ${version} and ${natsVersionMin} is needed`);
  else return { path, version };
  return undefined;
}

async function binaryVersion(path: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(path, ["--version"], { timeout: versionTimeoutMs });
    return /v(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}

async function installedServers(env: NodeJS.ProcessEnv): Promise<string[]> {
  const folders = [...(env["PATH"] ?? "").split(delimiter).filter(Boolean), ...systemFolders];
  const paths = [...new Set(folders)].map((folder) => join(folder, "nats-server"));
  const executable = await Promise.all(
    paths.map((path) =>
      access(path, constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return paths.filter((_path, index) => executable[index]);
}

async function cachedServers(cacheFolder: string): Promise<string[]> {
  const names = await readdir(cacheFolder).catch(() => []);
  const versions = names.flatMap((name) => cachedName.exec(name)?.[1] ?? []);
  return versions
    .toSorted((left, right) => compareVersions(right, left))
    .map((version) => join(cacheFolder, `nats-server-${version}`));
}

async function fetchFirst(
  cacheFolder: string,
  refusals: string[],
  onProgress?: (message: string) => void,
): Promise<NatsBinary | undefined> {
  if (process.platform !== "linux") return undefined;
  onProgress?.("fetching nats-server (once, a few seconds)");
  for (const suite of debianSuites) {
    try {
      const path = await fetchDebianNats({ suite, cacheFolder, versionOf: binaryVersion });
      const binary = await acceptBinary(path, refusals);
      if (binary) return binary;
    } catch (error) {
      refusals.push(`Debian ${suite}: ${errorReason(error)}`);
    }
  }
  return undefined;
}
