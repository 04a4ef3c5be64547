// On a real database: what we write is what the driver would have written, and comes back as it was.
import { sql, type Kysely } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLogger } from "#runtime/log.ts";
import { createTestDatabase, type TestDatabase } from "../../../test/support/database.ts";
import { arrayLiteral } from "./array-literals.ts";
import { connectDatabase, type ServiceDatabase } from "./connect.ts";

let testDatabase: TestDatabase;
let database: ServiceDatabase<never>;
let db: Kysely<never>;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  const log = createLogger({ level: "silent" });
  const options = { url: testDatabase.url, as: "owner", schema: "public", connectionsMax: 1, log, onCommit: () => {} } as const;
  database = connectDatabase(options);
  ({ db } = database);
});

afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

/** Every character of the first plane that PostgreSQL can hold, and one of another plane. */
const characters = [
  ...Array.from({ length: 0xffff }, (_, index) => index + 1)
    .filter((code) => code < 0xd800 || code > 0xdfff)
    .map((code) => String.fromCodePoint(code)),
  "😀",
];
const awkward = [
  "",
  " ",
  "NULL",
  "null",
  '"',
  "\\",
  '\\"',
  "\\\\n",
  "{}",
  "{a,b}",
  "a,b",
  "'",
  "\n",
  "\t",
  "\b",
  "é",
  '{"a":"b\\nc"}',
];

test.each([
  ["texts", "text", ["a", "b"]],
  ["no text", "text", []],
  ["nothing", "text", [null, null]],
  ["texts and nothing", "text", ["a", null, ""]],
  ["awkward texts", "text", awkward],
  ["each awkward text with its neighbour", "text", awkward.flatMap((one) => awkward.map((other) => one + other))],
  ["all characters", "text", characters],
  ["whole numbers", "float8", [0, -1, 9_007_199_254_740_991]],
  ["other numbers", "float8", [0.1, 1e21, -1e-7, Number.POSITIVE_INFINITY]],
  ["truths", "boolean", [true, false, null]],
  ["times", "timestamptz", [new Date(0), new Date("2026-02-28T23:59:59.999Z"), null]],
  ["early and late times", "timestamptz", [new Date("0001-01-01T00:00:00Z"), new Date("9999-12-31T23:59:59.999Z")]],
  ["bytes", "bytea", [Buffer.from([0, 1, 92, 34, 255]), Buffer.alloc(0), null]],
  [
    "nested texts",
    "text",
    [
      ["a", "b"],
      ["c", "d"],
    ],
  ],
])("%s come back as they were", async (_what, type, values) => {
  const read = sql`select ${values}::${sql.raw(type)}[] as read`;
  const { rows } = (await read.execute(db)) as { rows: { read: unknown }[] };
  expect(rows[0]?.read).toEqual(values);
});

test.each([
  ["nested arrays", [["a"]]],
  ["control characters", ["a\nb"]],
  ["half of a character", ["\ud800"]],
  ["numbers that are none", [Number.NaN]],
  ["times that are none", [new Date(Number.NaN)]],
  ["times of more than four digits", [new Date(Date.UTC(10_000, 0))]],
  ["a mixture of bytes and text", [Buffer.from("a"), "a"]],
  ["objects", [{ a: 1 }]],
  ["large whole numbers", [1n]],
])("%s are left to the driver", (_what, values) => {
  expect(arrayLiteral(values)).toBeUndefined();
});

test("what is usual is not left to the driver", () => {
  const quoted = String.raw`{"a","b\"c","d\\e"}`;
  expect(arrayLiteral(["a", 'b"c', String.raw`d\e`])).toBe(quoted);
  expect(arrayLiteral([Buffer.from([1, 255]), null])).toBe(String.raw`{"\\x01ff",null}`);
});
