// Each of the 25 faults has a test that names it, and stands in docs/reliability.md with what holds all the same.
import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../../tools/command.ts";

const paths = await Array.fromAsync(glob(["test/**/*.test.ts", "services/**/*.test.ts"], { cwd: root }));
const sources = (await Promise.all(paths.map((path) => readFile(join(root, path), "utf8")))).join("\n");
const page = await readFile(join(root, "docs/reliability.md"), "utf8");

test.each(Array.from({ length: 25 }, (_, index) => index + 1))(
  "fault %i has a test of its own and a row in the docs",
  (fault) => {
    expect(sources).toMatch(new RegExp(`["'\`]fault ${fault}: `));
    expect(page).toMatch(new RegExp(`^\\| ${fault} +\\|`, "m"));
  },
);
