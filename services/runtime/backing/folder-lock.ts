import { createHash, randomUUID } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { errorCode } from "./error-details.ts";
import { processIdentity } from "./process-identity.ts";
import { StartupError } from "./startup-error.ts";

const attemptsMax = 200;
const attemptDelayMs = 5;

/** Claims the folder for this process with a file `lock` in it; StartupError while another living process holds it. */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, "lock");
  const claim = `${process.pid}\n${await processIdentity(process.pid)}\n${randomUUID()}\n`;
  const holder = await claimFile(path, claim);
  if (holder !== undefined) throw inUse(folder, holder);
  return () => releaseFile(path, claim);
}

/** Resolves to nothing once the file is ours, or to the pid of the living process that has it. */
async function claimFile(path: string, claim: string): Promise<number | undefined> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    if (await placeFile(path, claim)) return undefined;
    const found = await readClaim(path);
    const holder = found === undefined ? undefined : await livingHolder(found);
    if (holder !== undefined) return holder;
    if (found !== undefined && !(await removeStale({ path, found, claim }))) await delay(attemptDelayMs);
  }
  throw new StartupError(`The lock ${path} is being claimed by several processes at once: start one at a time.`);
}

// Two takers may judge the same stale lock, and the slower must not remove what the faster has placed since. So the right
// to remove one particular stale claim is a lock itself, named after that claim, and its owner looks again before removing.
async function removeStale({ path, found, claim }: { path: string; found: string; claim: string }): Promise<boolean> {
  const right = `${path}.${createHash("sha256").update(found).digest("hex").slice(0, 16)}`;
  if ((await claimFile(right, claim)) !== undefined) return false;
  if ((await readClaim(path)) === found) await rm(path, { force: true });
  await releaseFile(right, claim);
  return true;
}

/** Writes beside and links: the file appears whole or not at all, and never over an existing one. */
async function placeFile(path: string, claim: string): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, claim);
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

const readClaim = (path: string): Promise<string | undefined> => readFile(path, "utf8").catch(() => undefined);

async function livingHolder(claim: string): Promise<number | undefined> {
  const [pid, identity] = claim.split("\n");
  if (!(Number(pid) > 0)) return undefined;
  return (await processIdentity(Number(pid))) === identity ? Number(pid) : undefined;
}

async function releaseFile(path: string, claim: string): Promise<void> {
  if ((await readClaim(path)) === claim) await rm(path, { force: true });
}

function inUse(folder: string, holder: number): StartupError {
  const remedy = `stop it with "kill ${holder}", or set ORDERMESH_DATA_DIR to another folder`;
  return new StartupError(`The data folder ${folder} is in use by process ${holder}: ${remedy}.`);
}
