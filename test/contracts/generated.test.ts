// Whether gen/ is what the contracts generate is a check of its own (npm run check); here: that it sees every kind of difference.
import { expect, test } from "vitest";
import { differences } from "../../tools/up-to-date.ts";

test("missing, extra and different files are told apart", () => {
  const wanted = new Map([
    ["a_pb.ts", "a"],
    ["b_pb.ts", "b"],
    ["c_pb.ts", "c"],
  ]);
  const present = new Map([
    ["b_pb.ts", "b, edited by hand"],
    ["c_pb.ts", "c"],
    ["d_pb.ts", "of a contract that is gone"],
  ]);
  expect(differences(wanted, present)).toEqual(["missing    gen/a_pb.ts", "different  gen/b_pb.ts", "extra      gen/d_pb.ts"]);
});
