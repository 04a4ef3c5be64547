// Events are stored for days and read by consumers that were built later: bytes of every version that ever shipped must still read.
import { readdir, readFile } from "node:fs/promises";
import { fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { eventMessages, loadContracts } from "../../tools/contracts.ts";
import { goldenCommand, goldenFolder, goldenPaths } from "../../tools/golden.ts";

const { events } = eventMessages(await loadContracts());
const names = await readdir(goldenFolder);

test.each(events.map((event) => [event.typeName, event] as const))(
  "stored bytes of %s read as they were meant",
  async (typeName, event) => {
    const file = `${typeName}.hex`;
    expect(names, `${typeName} has no golden bytes; this writes them: ${goldenCommand}`).toContain(file);
    const { bytes, content } = goldenPaths(typeName);
    const stored = Buffer.from((await readFile(bytes, "utf8")).replaceAll(/\s/g, ""), "hex");
    const message = fromBinary(event, stored);
    expect(toJson(event, message)).toEqual(JSON.parse(await readFile(content, "utf8")));
    // Nothing was skipped as unknown: the message writes the same bytes again.
    expect(message.$unknown ?? []).toEqual([]);
    expect(Buffer.from(toBinary(event, message)).toString("hex")).toBe(stored.toString("hex"));
  },
);

test("no event that shipped has vanished from the contracts", () => {
  const known = new Set(events.flatMap((event) => [`${event.typeName}.hex`, `${event.typeName}.json`]));
  expect(names.filter((name) => !known.has(name))).toEqual([]);
});
