import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CustomerState } from "#gen/ordermesh/customers/v1/customer_pb.ts";
import { AccountRegisteredSchema } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import { refusal, refusalWithMetadata } from "../../test/support/refusal.ts";
import { customersFixture, profile, type CustomersFixture } from "./customers.fixture.ts";

let fixture: CustomersFixture;
let customers: CustomersFixture["customers"];
beforeAll(async () => {
  fixture = await customersFixture();
  ({ customers } = fixture);
});
afterAll(() => fixture.close());

const make = async (customerId: string, change: object = {}) =>
  (await customers.updateCustomer({ customerId, profile: { ...profile, ...change }, allowMissing: true })).customer;

test("a customer is there from its registration, whoever else has made it before or hears of it again", async () => {
  const register = { customerId: "cus_new", registerTime: { seconds: 1_770_000_000n } };
  await fixture.deliver(AccountRegisteredSchema, register, register);
  const { customer } = await customers.getCustomer({ customerId: "cus_new" });
  expect(customer).toMatchObject({ customerId: "cus_new", state: CustomerState.ACTIVE, profile: { email: "" } });
  expect(customer?.createTime?.seconds).toBe(1_770_000_000n);
  await make("cus_first");
  await fixture.deliver(AccountRegisteredSchema, { ...register, customerId: "cus_first" });
  expect((await customers.getCustomer({ customerId: "cus_first" })).customer?.profile?.email).toBe(profile.email);
});

test("what was never heard of is not found, and is made by a first change that says so", async () => {
  const change = { customerId: "cus_late", profile };
  const notFound = { code: Code.NotFound, reason: "CUSTOMER_NOT_FOUND" };
  expect(await refusal(customers.getCustomer({ customerId: "cus_late" }))).toEqual(notFound);
  expect(await refusal(customers.updateCustomer(change))).toEqual(notFound);
  const { customer } = await customers.updateCustomer({ ...change, allowMissing: true });
  expect(customer).toMatchObject({ profile: { ...profile, phone: "" } });
  expect((await customers.getCustomer({ customerId: "cus_late" })).customer).toEqual(customer);
});

test.each([
  { mask: [], change: { phone: "+4930123456" }, want: { ...profile, phone: "+4930123456" } },
  { mask: ["given_name"], change: { familyName: "Byron" }, want: { ...profile, givenName: "" } },
  { mask: ["*"], change: { locale: "de-AT" }, want: { displayName: "", email: "", familyName: "", locale: "de-AT" } },
])("the mask $mask takes what it says and nothing else", async ({ mask, change, want }) => {
  const customerId = `cus_mask_${mask.join("").replaceAll("*", "all")}`;
  await make(customerId);
  const { customer } = await customers.updateCustomer({ customerId, profile: change, updateMask: { paths: mask } });
  expect(customer?.profile).toMatchObject(want);
});

test.each([["nickname"], ["profile.email"], ["email", "*"]])("a mask with %s is refused", async (...paths) => {
  await make("cus_mask");
  const call = customers.updateCustomer({ customerId: "cus_mask", profile, updateMask: { paths } });
  expect(await refusal(call)).toEqual({ code: Code.InvalidArgument, reason: "UPDATE_MASK_INVALID" });
});

test("of two changes that have seen the same, one is made; a repeat changes nothing", async () => {
  const first = await make("cus_etag");
  const etag = first?.etag ?? "";
  const call = (phone: string) => customers.updateCustomer({ customerId: "cus_etag", profile: { phone }, etag });
  const answers = await Promise.allSettled([call("+4930111111"), call("+4930222222")]);
  expect(answers.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  const { customer } = await customers.getCustomer({ customerId: "cus_etag" });
  expect(await refusalWithMetadata(call("+4930333333"))).toEqual({
    code: Code.Aborted,
    reason: "ETAG_MISMATCH",
    metadata: { etag: customer?.etag },
  });
  const repeat = await customers.updateCustomer({ customerId: "cus_etag", profile: { phone: customer?.profile?.phone ?? "" } });
  expect(repeat.customer).toEqual(customer);
});

describe("what is no value is refused", () => {
  test.each([
    { email: "ada" },
    { email: `${"a".repeat(250)}@example.test` },
    { phone: "030 123456" },
    { phone: "+0301234567" },
    { locale: "de_AT" },
    { displayName: "x".repeat(201) },
    { givenName: "x".repeat(101) },
  ])("%j", async (change) => {
    const call = customers.updateCustomer({ customerId: "cus_bad", profile: change, allowMissing: true });
    expect(await refusal(call)).toMatchObject({ code: Code.InvalidArgument });
  });
});

test("an operator lists customers in pages, and finds one by its e-mail address, to the letter", async () => {
  for (const name of ["a", "b", "c"]) await make(`cus_page_${name}`, { email: `${name}@page.test` });
  const ids: string[] = [];
  let pageToken = "";
  do {
    const page = await customers.listCustomers({ pageSize: 2, pageToken });
    ids.push(...page.customers.map(({ customerId }) => customerId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(ids).toEqual([...new Set(ids)].toSorted());
  expect(ids).toEqual(expect.arrayContaining(["cus_page_a", "cus_page_b", "cus_page_c"]));
  const found = async (email: string) => (await customers.listCustomers({ email })).customers.map(({ customerId }) => customerId);
  expect(await found("b@page.test")).toEqual(["cus_page_b"]);
  expect(await found("B@page.test")).toEqual([]);
});
