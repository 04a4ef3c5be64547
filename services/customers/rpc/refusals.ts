// What customers are refused with.
import { Code, type ConnectError } from "@connectrpc/connect";
import { refuse } from "#runtime/errors.ts";
import { etagOf } from "./messages.ts";

export const customerNotFound = (customerId: string): ConnectError =>
  refuse(Code.NotFound, "CUSTOMER_NOT_FOUND", `there is no customer ${customerId}`, { customerId });

export const addressNotFound = (addressId: string): ConnectError =>
  refuse(Code.NotFound, "ADDRESS_NOT_FOUND", `the customer has no address ${addressId}`, { addressId });

/** Nothing of an erased customer may come back. */
export function assertNotErased({ customerId, eraseTime }: { customerId: string; eraseTime: Date | null }): void {
  if (eraseTime === null) return;
  const metadata = { customerId, eraseTime: eraseTime.toISOString() };
  throw refuse(Code.FailedPrecondition, "CUSTOMER_ERASED", `customer ${customerId} is erased, so nothing is kept`, metadata);
}

/** An etag that is given must be the one of the version that is there (AIP-154). */
export function assertEtag(given: string, current: { version: number }): void {
  const etag = etagOf(current);
  if (given === "" || given === etag) return;
  throw refuse(Code.Aborted, "ETAG_MISMATCH", "it was changed since: read it again, and change what you then see", { etag });
}

export const updateMaskInvalid = (fields: readonly string[], message: string): ConnectError =>
  refuse(Code.InvalidArgument, "UPDATE_MASK_INVALID", message, { fields: fields.join(",") });

export const assertMask = <Field extends string>(
  taken: readonly Field[] | undefined,
  fields: readonly Field[],
): readonly Field[] => {
  if (taken) return taken;
  throw updateMaskInvalid(fields, "update_mask names a field that cannot be changed here");
};
