// Unpacks Debian's nats-server for us alone: apt checks the signature, nothing is installed and no root is needed.
import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const aptTimeoutMs = 90_000;
const unpackTimeoutMs = 60_000;
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

export interface FetchDebianNats {
  suite: string;
  cacheFolder: string;
  versionOf: (path: string) => Promise<string | undefined>;
}

/** Returns the path of the server, now in the cache. Throws when this machine has no apt, no Debian mirror or no network. */
export async function fetchDebianNats({ suite, cacheFolder, versionOf }: FetchDebianNats): Promise<string> {
  const workFolder = await mkdtemp(join(tmpdir(), "ordermesh-apt-"));
  try {
    const server = await unpackServer(workFolder, suite);
    const version = await versionOf(server);
    if (version === undefined) throw new Error("the unpacked server does not run here");
    await mkdir(cacheFolder, { recursive: true });
    const cached = join(cacheFolder, `nats-server-${version}`);
    // Renamed into place: others who look at the same time see a whole file or none.
    const draft = `${cached}.${process.pid}.draft`;
    await copyFile(server, draft);
    await chmod(draft, 0o755);
    await rename(draft, cached);
    return cached;
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}

async function unpackServer(workFolder: string, suite: string): Promise<string> {
  const settings = await privateApt(workFolder, suite);
  await run("apt-get", [...settings, "-qq", "update"], { timeout: aptTimeoutMs });
  await run("apt-get", [...settings, "-qq", "download", "nats-server"], { cwd: workFolder, timeout: aptTimeoutMs });
  const archive = (await readdir(workFolder)).find((name) => name.endsWith(".deb"));
  if (archive === undefined) throw new Error("apt delivered no package");
  const unpacked = join(workFolder, "unpacked");
  await run("dpkg-deb", ["-x", join(workFolder, archive), unpacked], { timeout: unpackTimeoutMs });
  return join(unpacked, "usr/sbin/nats-server");
}

async function privateApt(workFolder: string, suite: string): Promise<string[]> {
  for (const name of ["lists/partial", "cache/archives/partial", "state"])
    await mkdir(join(workFolder, name), { recursive: true });
  const status = join(workFolder, "status");
  const sources = join(workFolder, "sources.list");
  await writeFile(status, "");
  await writeFile(sources, `deb [signed-by=${keyring}] ${await debianMirror()} ${suite} main\n`);
  const settings = {
    "Dir::Etc::sourcelist": sources,
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::preferences": "/dev/null",
    "Dir::Etc::preferencesparts": "/dev/null",
    "Dir::State": join(workFolder, "state"),
    "Dir::State::lists": join(workFolder, "lists"),
    "Dir::State::status": status,
    "Dir::Cache": join(workFolder, "cache"),
    // As root, apt would otherwise drop to a user who cannot write in this folder.
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
    "Acquire::http::Timeout": "20",
    "Acquire::Retries": "2",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

/** The mirror that this machine's own apt already uses. */
async function debianMirror(): Promise<string> {
  const { stdout } = await run("apt-get", ["indextargets", "--format", "$(REPO_URI) $(LABEL)", "Created-By: Packages"]);
  const mirrors = stdout.split("\n").map((line) => line.split(" "));
  const mirror = mirrors.find(([, label]) => label === "Debian")?.[0];
  if (!mirror) throw new Error("this machine's apt knows no Debian mirror");
  return mirror;
}
