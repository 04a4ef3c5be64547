// Lists as an operator keeps them, and what becomes of orders that are in one.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AssessmentState, RuleEffect, type ConditionSchema } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import { ListKind } from "#gen/ordermesh/fraud/v1/list_pb.ts";
import { refusal } from "../../test/support/refusal.ts";
import { fraudShop, home, order, type FraudShop } from "./fraud.fixture.ts";

let shop: FraudShop;
let now = new Date("2026-03-01T12:00:00Z");
beforeAll(async () => {
  shop = await fraudShop({ now: () => now });
});
afterAll(() => shop.fixture.close());

const client = () => shop.client();

test.each([
  { kind: ListKind.BIN, entry: "5555", buyer: { paymentMethodBin: "55551234" } },
  { kind: ListKind.DEVICE, entry: "kiosk", buyer: { deviceFingerprint: "kiosk" } },
  { kind: ListKind.EMAIL, entry: "@Throwaway.test", buyer: { email: "x@throwaway.test" } },
  { kind: ListKind.EMAIL, entry: "Eve+1@mail.test", buyer: { email: "eve+1@MAIL.test" } },
  { kind: ListKind.CUSTOMER, entry: "mallory", buyer: { customerId: "mallory" } },
])("an order that has $entry is in the list; one that has something else is not", async ({ kind, entry, buyer }) => {
  const listId = await shop.newList(kind, entry);
  await shop.withRule({ condition: { case: "list", value: { listId } } }, async (ruleId) => {
    expect(await shop.screened(order(buyer))).toMatchObject({
      state: AssessmentState.REJECTED,
      matches: [{ ruleId, explanation: `in list ${listId}: for the test` }],
    });
    const other = order({ paymentMethodBin: "55512345", deviceFingerprint: "Kiosk", email: "eve@mail.test" });
    expect((await shop.screened(other)).state).toBe(AssessmentState.CLEARED);
  });
});

test("a list of addresses has the hashes that assessments show", async () => {
  const { facts } = await shop.screened(order({}, { shippingAddress: home }));
  const listId = await shop.newList(ListKind.ADDRESS, facts?.addressHash ?? "");
  await shop.withRule({ condition: { case: "list", value: { listId } } }, async () => {
    const written = { ...home, recipient: "Eve", lines: ["1, MAIN ST."], postalCode: "sw1a1aa" };
    expect((await shop.screened(order({}, { shippingAddress: written }))).state).toBe(AssessmentState.REJECTED);
  });
});

test("a list allows where the rule that refers to it does, and an entry counts until it expires", async () => {
  const listId = await shop.newList(ListKind.CUSTOMER);
  const expireTime = timestampFromDate(new Date(now.getTime() + 60_000));
  await client().addListEntries({ listId, entries: [{ value: "vip", note: "known for years", expireTime }] });
  const large = { total: { currencyCode: "EUR", minorUnits: 900_000n } };
  const rule = { weight: 0, effect: RuleEffect.ALLOW, condition: { case: "list" as const, value: { listId } } };
  await shop.withRule(rule, async () => {
    expect(await shop.screened(order({ customerId: "vip" }, large))).toMatchObject({ score: 0, state: AssessmentState.CLEARED });
    now = new Date(now.getTime() + 60_000);
    expect(await shop.screened(order({ customerId: "vip" }, large))).toMatchObject({ score: 60, state: AssessmentState.REVIEW });
  });
  expect((await client().listListEntries({ listId })).entries).toMatchObject([{ value: "vip", note: "known for years" }]);
  // Whoever adds sweeps.
  await client().addListEntries({ listId, entries: [{ value: "bob" }] });
  expect((await client().listListEntries({ listId })).entries.map(({ value }) => value)).toEqual(["bob"]);
});

test("entries are added in batches, once each, listed in their order, and removed", async () => {
  const listId = await shop.newList(ListKind.EMAIL);
  const entries = Array.from({ length: 1_000 }, (_, index) => ({ value: `Buyer${index}@mail.test` }));
  expect(await client().addListEntries({ listId, entries })).toMatchObject({ added: 1_000, updated: 0 });
  expect(await client().addListEntries({ listId, entries })).toMatchObject({ added: 0, updated: 0 });
  const noted = { value: "buyer7@mail.test", note: "again" };
  expect(
    await client().addListEntries({ listId, entries: [{ value: "new@mail.test" }, { value: "Buyer7@mail.test" }, noted] }),
  ).toMatchObject({ added: 1, updated: 1 });
  const listed: string[] = [];
  let pageToken = "";
  do {
    const page = await client().listListEntries({ listId, pageSize: 400, pageToken });
    listed.push(...page.entries.map(({ value }) => value));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(listed).toEqual([...entries.map(({ value }) => value.toLowerCase()), "new@mail.test"]);
  const values = ["BUYER3@mail.test", "nobody@mail.test", "no mail"];
  expect(await client().removeListEntries({ listId, values })).toMatchObject({ removed: 1 });
  expect(await client().removeListEntries({ listId, values })).toMatchObject({ removed: 0 });
  const bad = [{ value: "fine@mail.test" }, { value: "no mail" }];
  expect((await refusal(client().addListEntries({ listId, entries: bad }))).reason).toBe("LIST_ENTRY_INVALID");
  expect((await client().listListEntries({ listId, pageSize: 1_000 })).entries).toHaveLength(1_000);
  const tooMany = Array.from({ length: 1_001 }, (_, index) => ({ value: `${index}@mail.test` }));
  expect((await refusal(client().addListEntries({ listId, entries: tooMany }))).code).toBe(Code.InvalidArgument);
});

test("a list in use is not removed, a rule refers to no list that is not there, and names are taken once", async () => {
  const listId = await shop.newList(ListKind.DEVICE, "kiosk");
  const inUse = { code: Code.FailedPrecondition, reason: "LIST_IN_USE" };
  const parts: MessageInitShape<typeof ConditionSchema>[] = [
    { kind: { case: "list", value: { listId } } },
    { kind: { case: "newCustomer", value: {} } },
  ];
  await shop.withRule({ disabled: true, condition: { case: "all", value: { conditions: parts } } }, async () => {
    expect(await refusal(client().deleteList({ listId }))).toEqual(inUse);
  });
  await client().deleteList({ listId });
  const gone = { code: Code.NotFound, reason: "LIST_NOT_FOUND" };
  const rule = { description: "late", weight: 5, condition: { case: "list" as const, value: { listId } } };
  const calls = [
    client().deleteList({ listId }),
    client().createRule({ rule }),
    client().listListEntries({ listId }),
    client().addListEntries({ listId, entries: [{ value: "kiosk" }] }),
    client().removeListEntries({ listId, values: ["kiosk"] }),
  ];
  expect(await Promise.all(calls.map(refusal))).toEqual(calls.map(() => gone));
  const list = { name: "twice", kind: ListKind.BIN };
  await client().createList({ list });
  expect(await refusal(client().createList({ list }))).toEqual({ code: Code.AlreadyExists, reason: "LIST_NAME_TAKEN" });
});
