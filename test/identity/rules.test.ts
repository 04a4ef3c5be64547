// docs/identity.md says which test proves which rule: each is there, by its name. And the clients that are settings are the services.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { serviceClientIds } from "../../services/identity/domain/client.ts";
import { demoOperatorSecret, demoSignIn } from "../../services/identity/seed.ts";
import { root } from "../../tools/command.ts";
import { serviceNames } from "../../tools/faults/steps.ts";

const page = await readFile(join(root, "docs/identity.md"), "utf8");
const section = page.split("## Which rule is tested where")[1] ?? "";
const rows = [...section.matchAll(/^\| (.+?) +\| `(\S+\.test\.ts)`: (.+?) +\|$/gm)].map(
  ([, rule = "", path = "", name = ""]) => ({
    rule,
    path,
    name,
  }),
);

test("every row of the table is read", () => {
  const lines = section.split("\n").filter((line) => line.startsWith("| "));
  // But the head and the line below it.
  expect(rows).toHaveLength(lines.length - 2);
  expect(rows.length).toBeGreaterThan(20);
});

test.each(rows)("$rule: the test is there", async ({ path, name }) => {
  const source = await readFile(join(root, path), "utf8");
  // Of a test, of the cases of one, or of a case.
  const names = [...source.matchAll(/(?:\btest\(|\]\)\(|\bwhy: )\s*"((?:[^"\\]|\\.)*)"/g)].map(([, found]) => found);
  expect(names).toContain(name);
});

test("every service of the mesh, and the edge, is a client of identity", () => {
  expect([...serviceClientIds].toSorted()).toEqual([...serviceNames, "edge"].toSorted());
});

test("the page shows what the demonstration makes", () => {
  expect(page).toContain(`operator:${demoOperatorSecret}`);
  const [, shown = "{}"] = /-d '(\{"client_id".+\})'/.exec(page) ?? [];
  expect(JSON.parse(shown)).toEqual(demoSignIn);
});
