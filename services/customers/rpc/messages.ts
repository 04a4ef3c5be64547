// Customers, addresses and consents as the contract's messages.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  CustomerState,
  ErasureReason,
  ErasureState,
  type ConsentSchema,
  type CustomerAddressSchema,
  type CustomerSchema,
  type ErasureSchema,
} from "#gen/ordermesh/customers/v1/customer_pb.ts";
import type { Address } from "../store/addresses.ts";
import type { Consent } from "../store/consents.ts";
import type { Customer } from "../store/customers.ts";

export const etagOf = ({ version }: { version: number }): string => `"${version}"`;

export function customerMessage(customer: Customer): MessageInitShape<typeof CustomerSchema> {
  const { customerId, displayName, givenName, familyName, email, phone, locale, createTime, updateTime, eraseTime } = customer;
  return {
    customerId,
    thumbnailImage: customer.thumbnailImage,
    state: eraseTime ? CustomerState.ERASED : CustomerState.ACTIVE,
    etag: etagOf(customer),
    createTime: timestampFromDate(createTime),
    updateTime: timestampFromDate(updateTime),
    ...(eraseTime
      ? { eraseTime: timestampFromDate(eraseTime) }
      : { profile: { displayName, givenName, familyName, email, phone, locale } }),
  };
}

export function addressMessage(address: Address): MessageInitShape<typeof CustomerAddressSchema> {
  const { version: _version, createTime, updateTime, ...values } = address;
  return {
    ...values,
    etag: etagOf(address),
    createTime: timestampFromDate(createTime),
    updateTime: timestampFromDate(updateTime),
  };
}

export function consentMessage({ sequence: _sequence, changeTime, ...consent }: Consent): MessageInitShape<typeof ConsentSchema> {
  return { ...consent, changeTime: timestampFromDate(changeTime) };
}

/** Undefined where the customer is not erased. */
export function erasureMessage(customer: Customer): MessageInitShape<typeof ErasureSchema> | undefined {
  const { customerId, eraseTime, eraseReason, eraseCheckTime, eraseDoneTime, eraseWaitsFor } = customer;
  if (!eraseTime || !eraseReason) return undefined;
  return {
    customerId,
    state: eraseDoneTime ? ErasureState.DONE : ErasureState.PENDING,
    reason: ErasureReason[eraseReason as keyof typeof ErasureReason],
    requestTime: timestampFromDate(eraseTime),
    waitsFor: eraseWaitsFor,
    ...(eraseCheckTime && { checkTime: timestampFromDate(eraseCheckTime) }),
    ...(eraseDoneTime && { doneTime: timestampFromDate(eraseDoneTime) }),
  };
}
