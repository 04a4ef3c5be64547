// A change that would break programs built on the contracts before is refused, and the message names it.
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { breakingChanges, chooseBase } from "../../tools/breaking.ts";
import { outputOf, root } from "../../tools/command.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ordermesh-breaking-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const before = join(root, "proto");
const events = "ordermesh/inventory/events/v1/inventory_events.proto";

/** Changes a copy of our contracts and says what breaks. */
async function changesAfter(edit: { from: string; to: string }): Promise<string> {
  const after = await mkdtemp(join(folder, "edit-"));
  await cp(before, after, { recursive: true });
  const path = join(after, events);
  const source = await readFile(path, "utf8");
  const edited = source.replace(edit.from, edit.to);
  expect(edited, "the edit found nothing to change").not.toBe(source);
  await writeFile(path, edited);
  return breakingChanges({ before, after });
}

test.each([
  { what: "a field of another type", from: "int64 on_hand = 2;", to: "string on_hand = 2;", names: ["on_hand", "StockLow"] },
  {
    what: "a removed field",
    from: "  // The threshold that was crossed.\n  int64 threshold = 3;\n",
    to: "",
    names: ["threshold", "StockLow"],
  },
  { what: "another number", from: "int64 threshold = 3;", to: "int64 threshold = 4;", names: ["threshold", "StockLow"] },
  { what: "another name", from: "message StockLow {", to: "message StockScarce {", names: ["StockLow"] },
])("$what is refused by name", async ({ from, to, names }) => {
  const changes = await changesAfter({ from, to });
  for (const name of names) expect(changes).toContain(name);
  expect(changes).toContain(events);
});

test("an added field and an added event are fine", async () => {
  const to =
    "int64 threshold = 3;\n  // Where.\n  string warehouse = 4;\n}\n\n// More.\nmessage StockHigh {\n  // The SKU.\n  string sku = 1;";
  expect(await changesAfter({ from: "int64 threshold = 3;", to })).toBe("");
});

test("contracts that do not compile are an error, not a pass", async () => {
  await expect(changesAfter({ from: "int64 on_hand = 2;", to: "int64 on_hand = 1;" })).rejects.toThrow(
    "field number `1` used more than once",
  );
});

describe("what is compared with", () => {
  const git = (cwd: string, ...args: string[]): Promise<string> =>
    outputOf("git", ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false", ...args], {
      cwd,
    });

  async function repositoryWith({ commits }: { commits: number }): Promise<string> {
    const cwd = await mkdtemp(join(folder, "repository-"));
    await git(cwd, "init", "--quiet", "--initial-branch=main");
    for (let count = 0; count < commits; count += 1)
      await git(cwd, "commit", "--quiet", "--allow-empty", "--message", `commit ${count}`);
    return cwd;
  }

  const head = async (cwd: string, revision = "HEAD"): Promise<string> => (await git(cwd, "rev-parse", revision)).trim();

  test("a branch: where it left origin/main", async () => {
    const cwd = await repositoryWith({ commits: 3 });
    await git(cwd, "update-ref", "refs/remotes/origin/main", "HEAD~2");
    expect((await chooseBase({ cwd })).revision).toBe(await head(cwd, "HEAD~2"));
  });

  test("without origin/main: the newest tag", async () => {
    const cwd = await repositoryWith({ commits: 2 });
    await git(cwd, "tag", "v1.0.0", "HEAD~1");
    expect((await chooseBase({ cwd })).revision).toBe("v1.0.0");
  });

  test("a clean checkout of the base itself: its first parent", async () => {
    const cwd = await repositoryWith({ commits: 2 });
    await git(cwd, "update-ref", "refs/remotes/origin/main", "HEAD");
    expect(await chooseBase({ cwd })).toMatchObject({ revision: "HEAD~1", reason: expect.stringContaining("first parent") });
  });

  test("uncommitted edits of contracts: the last commit", async () => {
    const cwd = await repositoryWith({ commits: 2 });
    await outputOf("mkdir", ["proto"], { cwd });
    await writeFile(join(cwd, "proto/a.proto"), 'syntax = "proto3";\n');
    expect(await chooseBase({ cwd })).toMatchObject({ revision: "HEAD", reason: expect.stringContaining("uncommitted") });
  });

  test("a first commit or a shallow clone: itself, and it says so", async () => {
    const cwd = await repositoryWith({ commits: 1 });
    expect(await chooseBase({ cwd })).toMatchObject({ revision: "HEAD", reason: expect.stringContaining("itself") });
  });

  test("a revision that is asked for, unless there is none", async () => {
    const cwd = await repositoryWith({ commits: 2 });
    expect((await chooseBase({ cwd, against: "HEAD~1" })).revision).toBe("HEAD~1");
    await expect(chooseBase({ cwd, against: "v9" })).rejects.toThrow("--against v9");
  });
});
