import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refusal } from "../../test/support/refusal.ts";
import { customersFixture, home, type CustomersFixture } from "./customers.fixture.ts";

let fixture: CustomersFixture;
let customers: CustomersFixture["customers"];
beforeAll(async () => {
  fixture = await customersFixture();
  ({ customers } = fixture);
});
afterAll(() => fixture.close());

const create = async (customerId: string, change: object = {}) =>
  (await customers.createAddress({ customerId, address: home, ...change })).address!;
const list = async (customerId: string) => (await customers.listAddresses({ customerId })).addresses;

test("an address is made, changed in part, listed and removed", async () => {
  const made = await create("ada", { label: "Home" });
  expect(made).toMatchObject({ label: "Home", address: home, defaultShipping: false });
  const key = { customerId: "ada", addressId: made.addressId };
  const office = { ...home, city: "Lyon" };
  const { address } = await customers.updateAddress({ ...key, address: { address: office }, etag: made.etag });
  expect(address).toMatchObject({ label: "Home", address: office });
  expect(await list("ada")).toEqual([address]);
  const stale = { code: Code.Aborted, reason: "ETAG_MISMATCH" };
  expect(await refusal(customers.updateAddress({ ...key, address: { label: "Work" }, etag: made.etag }))).toEqual(stale);
  expect(await refusal(customers.deleteAddress({ ...key, etag: made.etag }))).toEqual(stale);
  expect((await customers.updateAddress({ ...key, address: { address: office } })).address).toEqual(address);
  await customers.deleteAddress(key);
  expect(await list("ada")).toEqual([]);
  expect(await refusal(customers.deleteAddress(key))).toEqual({ code: Code.NotFound, reason: "ADDRESS_NOT_FOUND" });
});

test("an address that the mask takes and that is not there is refused", async () => {
  const { addressId } = await create("mask");
  const call = customers.updateAddress({ customerId: "mask", addressId, address: {}, updateMask: { paths: ["address"] } });
  expect(await refusal(call)).toEqual({ code: Code.InvalidArgument, reason: "UPDATE_MASK_INVALID" });
});

test("one address is the default for parcels and one for bills, also where many want to be at the same time", async () => {
  const both = { defaultShipping: true, defaultBilling: true };
  const made = await Promise.all(Array.from({ length: 10 }, () => create("dora", both)));
  const defaults = async () =>
    (await list("dora")).flatMap((one) => [
      ...(one.defaultShipping ? [`ship ${one.addressId}`] : []),
      ...(one.defaultBilling ? [`bill ${one.addressId}`] : []),
    ]);
  expect(await defaults()).toHaveLength(2);
  const [first, second] = [made[0]!.addressId, made[1]!.addressId];
  await customers.updateAddress({ customerId: "dora", addressId: first, address: both });
  await customers.updateAddress({ customerId: "dora", addressId: second, address: { defaultBilling: true } });
  expect((await defaults()).toSorted()).toEqual([`bill ${second}`, `ship ${first}`]);
  const none = { customerId: "dora", addressId: first, address: {}, updateMask: { paths: ["default_shipping"] } };
  await customers.updateAddress(none);
  expect(await defaults()).toEqual([`bill ${second}`]);
});

test("fifty is the most, also where more come at the same time", async () => {
  const answers = await Promise.allSettled(Array.from({ length: 55 }, () => create("many")));
  expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(50);
  expect(await refusal(create("many"))).toEqual({ code: Code.ResourceExhausted, reason: "TOO_MANY_ADDRESSES" });
});

test("a request makes one address, however often it comes, and none again once that is removed", async () => {
  const made = await Promise.all(Array.from({ length: 10 }, () => create("rita", { requestId: "r-1" })));
  expect(new Set(made.map(({ addressId }) => addressId)).size).toBe(1);
  const other = create("rita", { requestId: "r-1", label: "Other" });
  expect(await refusal(other)).toEqual({ code: Code.AlreadyExists, reason: "REQUEST_ID_REUSED" });
  expect((await create("rita2", { requestId: "r-1" })).addressId).not.toBe(made[0]!.addressId);
  await customers.deleteAddress({ customerId: "rita", addressId: made[0]!.addressId });
  expect(await refusal(create("rita", { requestId: "r-1" }))).toMatchObject({ reason: "ADDRESS_NOT_FOUND" });
});

test("an address of another customer is not there", async () => {
  const { addressId } = await create("own");
  const call = customers.updateAddress({ customerId: "eve", addressId, address: { label: "mine" } });
  expect(await refusal(call)).toMatchObject({ reason: "ADDRESS_NOT_FOUND" });
});
