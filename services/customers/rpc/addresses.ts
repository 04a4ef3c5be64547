// The addresses of a customer.
import { createHash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import { CustomerAddressSchema } from "#gen/ordermesh/customers/v1/customer_pb.ts";
import {
  AddressChangeSchema,
  CreateAddressRequestSchema,
  type CreateAddressRequest,
  type DeleteAddressRequest,
  type UpdateAddressRequest,
} from "#gen/ordermesh/customers/v1/customers_service_pb.ts";
import { AddressSchema, type Address as AddressOfContract } from "#gen/ordermesh/type/v1/address_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { newId } from "#runtime/ids.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { addressFields, fieldsToTake, taking } from "../domain/profile.ts";
import {
  claimRequest,
  deleteAddress,
  insertAddress,
  readAddress,
  readAddresses,
  saveAddress,
  type Address,
  type AddressContent,
  type AddressValues,
} from "../store/addresses.ts";
import { lockCustomer } from "../store/customers.ts";
import type { CustomersTables } from "../store/tables.ts";
import { addressMessage } from "./messages.ts";
import { addressNotFound, assertEtag, assertMask, assertNotErased, updateMaskInvalid } from "./refusals.ts";

const addressesMax = 50;

type Transacted = Transaction<CustomersTables>;

export function addressMethods({ db, transaction, clock }: ServiceRuntime<CustomersTables>) {
  return {
    listAddresses: async ({ customerId }: { customerId: string }) => {
      const addresses = await readAddresses(db, { tenant: currentRequest().tenant, customerId });
      return { addresses: addresses.map(addressMessage) };
    },

    createAddress: (request: CreateAddressRequest) =>
      transaction(async (tx) => ({ address: addressMessage(await createAddress(tx, request, clock.now())) })),

    updateAddress: (request: UpdateAddressRequest) =>
      transaction(async (tx) => ({ address: addressMessage(await updateAddress(tx, request, clock.now())) })),

    deleteAddress: (request: DeleteAddressRequest) =>
      transaction(async (tx) => {
        const { key, address } = await lockAddress(tx, request, clock.now());
        assertEtag(request.etag, address);
        await deleteAddress(tx, key);
        await recordChange(tx, { resource: resourceOf(address), before: shownAddress(address) });
        return {};
      }),
  };
}

async function createAddress(tx: Transacted, request: CreateAddressRequest, now: Date): Promise<Address> {
  const { customerId, requestId, label, address, defaultShipping, defaultBilling } = request;
  const owner = { tenant: currentRequest().tenant, customerId };
  const { customer } = await lockCustomer(tx, owner, now);
  assertNotErased(customer);
  const key = { ...owner, addressId: newId("adr") };
  if (requestId !== "") {
    const claim = await claimRequest(tx, key, { requestId, contentHash: hashOf(request) });
    if (claim.kind === "repeat") return known(tx, { ...owner, addressId: claim.addressId });
    if (claim.kind === "other_content") {
      throw refuse(Code.AlreadyExists, "REQUEST_ID_REUSED", "request_id was used for another address", { requestId });
    }
  }
  if ((await readAddresses(tx, owner)).length >= addressesMax) {
    const max = String(addressesMax);
    throw refuse(Code.ResourceExhausted, "TOO_MANY_ADDRESSES", `a customer keeps ${max} addresses at most: remove one`, { max });
  }
  const values = { label, address: contentOf(address ?? create(AddressSchema)), defaultShipping, defaultBilling };
  await insertAddress(tx, key, { values, now });
  const made = { ...values, customerId, addressId: key.addressId, version: 1, createTime: now, updateTime: now };
  await recordChange(tx, { resource: resourceOf(made), after: shownAddress(made) });
  return made;
}

async function updateAddress(tx: Transacted, request: UpdateAddressRequest, now: Date): Promise<Address> {
  const change = request.address ?? create(AddressChangeSchema);
  const given = addressFields.filter((field) => (field === "address" ? change.address !== undefined : Boolean(change[field])));
  const taken = assertMask(fieldsToTake(request.updateMask?.paths ?? [], { fields: addressFields, given }), addressFields);
  const { key, address } = await lockAddress(tx, request, now);
  assertEtag(request.etag, address);
  if (taken.includes("address") && !change.address) {
    throw updateMaskInvalid(["address"], "update_mask takes the address, and there is none");
  }
  const wanted = change.address ? contentOf(change.address) : address.address;
  const { label, defaultShipping, defaultBilling } = change;
  const changed = taking<AddressValues>(address, { label, address: wanted, defaultShipping, defaultBilling }, taken);
  if (!changed) return address;
  await saveAddress(tx, key, { values: changed, now });
  const after = { ...address, ...changed, version: address.version + 1, updateTime: now };
  await recordChange(tx, { resource: resourceOf(after), before: shownAddress(address), after: shownAddress(after) });
  return after;
}

async function lockAddress(tx: Transacted, request: { customerId: string; addressId: string }, now: Date) {
  const { customerId, addressId } = request;
  const key = { tenant: currentRequest().tenant, customerId, addressId };
  const { customer } = await lockCustomer(tx, key, now);
  assertNotErased(customer);
  return { key, address: await known(tx, key) };
}

async function known(tx: Transacted, key: { tenant: string; customerId: string; addressId: string }): Promise<Address> {
  const address = await readAddress(tx, key);
  if (!address) throw addressNotFound(key.addressId);
  return address;
}

const resourceOf = ({ addressId }: Address) => ({ kind: "address", id: addressId });
const shownAddress = (address: Address) => shown(CustomerAddressSchema, addressMessage(address));

/** Fields in one order, which the database keeps, so that two can be compared. */
function contentOf({ recipient, lines, city, postalCode, region, countryCode }: AddressOfContract): AddressContent {
  return { recipient, lines, city, postalCode, region, countryCode };
}

/** The same request always has the same bytes: fields in order, no maps. */
function hashOf(request: CreateAddressRequest): Buffer {
  return createHash("sha256").update(toBinary(CreateAddressRequestSchema, request)).digest();
}
