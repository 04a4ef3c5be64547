import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { untilAvailable } from "./until-available.ts";

/** Refuses with each of the codes, then answers how often it was called. */
function refusing(...codes: Code[]): () => Promise<number> {
  let calls = 0;
  return async () => {
    const code = codes[calls++];
    if (code !== undefined) throw new ConnectError("no", code);
    return calls;
  };
}

test("a step is made again until its callee is available", async () => {
  expect(await untilAvailable(refusing(Code.Unavailable, Code.Unavailable), 1_000, 1)).toBe(3);
});

test("what will not change by waiting is refused at once", async () => {
  const step = refusing(Code.Unavailable, Code.InvalidArgument, Code.Unavailable);
  await expect(untilAvailable(step, 1_000, 1)).rejects.toMatchObject({ code: Code.InvalidArgument });
});

test("a callee that stays away is given up with its own words", async () => {
  const away = async () => {
    throw new ConnectError("the database is unavailable, try again", Code.Unavailable);
  };
  await expect(untilAvailable(away, 20, 1)).rejects.toThrow("the database is unavailable");
});
