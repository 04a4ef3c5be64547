import { Code } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refusal } from "../../test/support/refusal.ts";
import { customersFixture, type CustomersFixture } from "./customers.fixture.ts";

let fixture: CustomersFixture;
let customers: CustomersFixture["customers"];
beforeAll(async () => {
  fixture = await customersFixture();
  ({ customers } = fixture);
});
afterAll(() => fixture.close());

const say = (customerId: string, purpose: string, granted: boolean, textVersion = granted ? "2026-03" : "") =>
  customers.recordConsent({ customerId, purpose, granted, textVersion });

test("each change is a record; the newest of a purpose holds, and all are told", async () => {
  await say("ada", "marketing.email", true);
  await say("ada", "analytics", true);
  await say("ada", "marketing.email", false);
  const { consents } = await customers.listConsents({ customerId: "ada" });
  expect(consents).toMatchObject([
    { purpose: "analytics", granted: true, textVersion: "2026-03", changedBy: "operator", clientId: "operator" },
    { purpose: "marketing.email", granted: false },
  ]);
  const { consents: history } = await customers.listConsentHistory({ customerId: "ada", purpose: "marketing.email" });
  expect(history.map(({ granted }) => granted)).toEqual([false, true]);
  const told = (await fixture.sent()).filter(({ key }) => key === "ada");
  expect(told.map(({ sequence, message: { purpose, granted } }) => [sequence, purpose, granted])).toEqual([
    [1, "marketing.email", true],
    [2, "analytics", true],
    [3, "marketing.email", false],
  ]);
});

test("a repeat is the same record, also at the same time; another text is another", async () => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => say("bob", "analytics", true)));
  expect(new Set(answers.map(({ consent }) => consent?.consentId)).size).toBe(1);
  await say("bob", "analytics", true, "2026-04");
  expect((await customers.listConsentHistory({ customerId: "bob" })).consents).toHaveLength(2);
});

test("pages of the history and of what holds have each record once", async () => {
  for (let index = 0; index < 7; index += 1) await say("pat", `purpose_${index % 3}`, index % 2 === 0);
  const read = async (method: "listConsents" | "listConsentHistory") => {
    const found: string[] = [];
    let pageToken = "";
    do {
      const page = await customers[method]({ customerId: "pat", pageSize: 2, pageToken });
      found.push(...page.consents.map(({ consentId }) => consentId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return found;
  };
  const history = await read("listConsentHistory");
  expect(new Set(history).size).toBe(7);
  expect(history).toHaveLength(7);
  expect(await read("listConsents")).toHaveLength(3);
});

test.each([
  { purpose: "Marketing", granted: false, textVersion: "" },
  { purpose: "marketing..email", granted: false, textVersion: "" },
  { purpose: "", granted: false, textVersion: "" },
  { purpose: "analytics", granted: true, textVersion: "" },
  { purpose: "analytics", granted: true, textVersion: "a text with words" },
])("%j is refused", async (request) => {
  expect(await refusal(customers.recordConsent({ customerId: "ada", ...request }))).toMatchObject({ code: Code.InvalidArgument });
});

test.each(["update consent set granted = not granted", "delete from consent", "truncate consent"])(
  "nobody may %s",
  async (statement) => {
    await say("eve", "analytics", true);
    await expect(sql.raw(statement).execute(fixture.runtime.db)).rejects.toThrow("only added to");
  },
);
