// Refuses contracts that would break a program built on the ones before: npx node tools/breaking.ts [--against REV].
// Images are compared, not folders in git: what our contracts import is laid out beside them and never committed.
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { isProgram, outputOf, root, runCommand } from "./command.ts";
import { layOutThirdParty } from "./third-party.ts";

export interface Base {
  /** Of a commit; "HEAD~1" and the like. */
  revision: string;
  /** For people: which rule chose it. */
  reason: string;
}

async function commitOf(revision: string, cwd: string): Promise<string | undefined> {
  const { code, output } = await runCommand("git", ["rev-parse", "--verify", "--quiet", `${revision}^{commit}`], { cwd });
  return code === 0 ? output.trim() : undefined;
}

async function firstLine(args: readonly string[], cwd: string): Promise<string | undefined> {
  const { code, output } = await runCommand("git", args, { cwd });
  return code === 0 && output.trim() !== "" ? output.trim().split("\n")[0] : undefined;
}

async function sharedBase(cwd: string): Promise<Base> {
  const fork = await firstLine(["merge-base", "HEAD", "origin/main"], cwd);
  if (fork) return { revision: fork, reason: "where this branch left origin/main" };
  const tag = await firstLine(["describe", "--tags", "--abbrev=0"], cwd);
  if (tag) return { revision: tag, reason: "the newest tag" };
  return { revision: "HEAD", reason: "the last commit" };
}

/** What to compare with. A base that is HEAD itself says nothing about HEAD, so its first parent stands in where there is one. */
export async function chooseBase({ against, cwd = root }: { against?: string | undefined; cwd?: string }): Promise<Base> {
  if (against !== undefined) {
    if (!(await commitOf(against, cwd))) throw new Error(`--against ${against}: git knows no such commit here.`);
    return { revision: against, reason: "as asked" };
  }
  const base = await sharedBase(cwd);
  if ((await commitOf(base.revision, cwd)) !== (await commitOf("HEAD", cwd))) return base;
  const edited = await outputOf("git", ["status", "--porcelain", "--", "proto"], { cwd });
  if (edited.trim() !== "") return { revision: "HEAD", reason: "the last commit, as proto/ has uncommitted edits" };
  if (await commitOf("HEAD~1", cwd)) return { revision: "HEAD~1", reason: `the first parent, as HEAD is ${base.reason}` };
  return { revision: "HEAD", reason: "itself, as HEAD has no parent here (a first commit or a shallow clone)" };
}

async function withTemporaryFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), "ordermesh-breaking-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function buildImage(proto: string, folder: string): Promise<string> {
  await mkdir(folder);
  await cp(join(root, "buf.yaml"), join(folder, "buf.yaml"));
  await cp(join(root, "third_party"), join(folder, "third_party"), { recursive: true });
  await cp(proto, join(folder, "proto"), { recursive: true });
  const image = `${folder}.binpb`;
  await outputOf("buf", ["build", "proto", "--output", image], { cwd: folder });
  return image;
}

/** The breaking changes between two proto folders, one a line; empty where there are none. Throws where one does not compile. */
export async function breakingChanges({ before, after }: { before: string; after: string }): Promise<string> {
  await layOutThirdParty();
  return withTemporaryFolder(async (folder) => {
    const against = await buildImage(before, join(folder, "before"));
    const image = await buildImage(after, join(folder, "after"));
    const config = join(root, "buf.yaml");
    const args = ["breaking", image, "--against", against, "--exclude-imports", "--config", config, "--against-config", config];
    const { code, output } = await runCommand("buf", args);
    // 100 is buf's code for changes found; anything else means that it could not compare.
    if (code !== 0 && code !== 100) throw new Error(`buf breaking ended with ${code}\n${output}`);
    return output.trim();
  });
}

async function breakingChangesSince(revision: string): Promise<string> {
  return withTemporaryFolder(async (folder) => {
    const tracked = await outputOf("git", ["ls-tree", "--name-only", revision, "--", "proto"]);
    if (tracked.trim() === "") return "";
    const archive = join(folder, "proto.tar");
    await outputOf("git", ["archive", "--format=tar", `--output=${archive}`, revision, "--", "proto"]);
    await outputOf("tar", ["-xf", archive, "-C", folder]);
    return breakingChanges({ before: join(folder, "proto"), after: join(root, "proto") });
  });
}

export interface BreakingReport {
  isCompatible: boolean;
  text: string;
}

export async function checkBreaking({ against }: { against?: string | undefined } = {}): Promise<BreakingReport> {
  const { revision, reason } = await chooseBase({ against });
  const commit = (await commitOf(revision, root))?.slice(0, 12);
  const changes = await breakingChangesSince(revision);
  const compared = `compared with ${revision === commit ? revision : `${revision} (${commit})`}: ${reason}`;
  return { isCompatible: changes === "", text: changes === "" ? compared : `${compared}\n${changes}` };
}

if (isProgram(import.meta.url)) {
  const { values } = parseArgs({ options: { against: { type: "string" } } });
  try {
    const { isCompatible, text } = await checkBreaking(values);
    console.log(text);
    process.exitCode = isCompatible ? 0 : 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 2;
  }
}
