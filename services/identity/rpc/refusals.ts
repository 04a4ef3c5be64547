// Refusals by the errors of RFC 6749, section 5.2. The edge turns their reasons back into the RFC's words.
import { Code, type ConnectError } from "@connectrpc/connect";
import { RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { refuse } from "#runtime/errors.ts";

export const invalidRequest = (message: string): ConnectError => refuse(Code.InvalidArgument, "INVALID_REQUEST", message);

/** One answer for an unknown client and for a wrong secret. */
export const invalidClient = (): ConnectError =>
  refuse(Code.Unauthenticated, "INVALID_CLIENT", "the client is unknown, or its secret is not this one");

export const invalidGrant = (message: string): ConnectError => refuse(Code.Unauthenticated, "INVALID_GRANT", message);

export const unauthorizedClient = (message: string): ConnectError =>
  refuse(Code.PermissionDenied, "UNAUTHORIZED_CLIENT", message);

export const unsupportedGrantType = (): ConnectError =>
  refuse(Code.InvalidArgument, "UNSUPPORTED_GRANT_TYPE", "grant_type is client_credentials or refresh_token");

export const invalidScope = (): ConnectError =>
  refuse(Code.InvalidArgument, "INVALID_SCOPE", "scope asks for more than there is, or is no list of scopes");

const retryAfter = (ms: number) => {
  const value = { retryDelay: { seconds: BigInt(Math.floor(ms / 1_000)), nanos: Math.round(ms % 1_000) * 1_000_000 } };
  return { desc: RetryInfoSchema, value };
};

export const accountLocked = (retryMs: number): ConnectError =>
  refuse(Code.ResourceExhausted, "ACCOUNT_LOCKED", "too many wrong passwords, try again later", {}, [retryAfter(retryMs)]);

export const signInsBusy = (retryMs: number): ConnectError =>
  refuse(Code.ResourceExhausted, "SIGN_INS_BUSY", "too many sign-ins at once, try again", {}, [retryAfter(retryMs)]);
