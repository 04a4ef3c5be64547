// Errors as RFC 6749, section 5.2 has them, and what a refusal of identity is in its words.
import { ConnectError } from "@connectrpc/connect";
import { RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { EdgeRefusal, httpStatusOf } from "../transcode/status.ts";

export interface OAuthError {
  httpStatus: number;
  headers: Record<string, string>;
  body: { error: string; error_description: string };
  /** True where it was a mistake of ours, which the log must have. */
  unexpected: boolean;
}

/** A refusal of the endpoint itself. */
export class OAuthRefusal extends Error {
  override readonly name = "OAuthRefusal";
  readonly error: string;
  readonly httpStatus: number;
  readonly headers: Record<string, string>;

  constructor(error: string, message: string, { httpStatus = 400, headers = {} } = {}) {
    super(message);
    this.error = error;
    this.httpStatus = httpStatus;
    this.headers = headers;
  }
}

const errorByReason = new Map([
  ["INVALID_REQUEST", "invalid_request"],
  ["INVALID_ARGUMENT", "invalid_request"],
  ["INVALID_CLIENT", "invalid_client"],
  ["INVALID_GRANT", "invalid_grant"],
  ["UNAUTHORIZED_CLIENT", "unauthorized_client"],
  ["UNSUPPORTED_GRANT_TYPE", "unsupported_grant_type"],
  ["INVALID_SCOPE", "invalid_scope"],
]);

/** Seconds to wait where a refusal that may pass does not say. */
const retrySecondsDefault = 1;

/** 401 belongs to a scheme that can be named, so it is for who used that scheme; others get 400. */
const challenge = { "www-authenticate": 'Basic realm="ordermesh", charset="UTF-8"' };

export function toOAuthError(thrown: unknown, { usedBasic }: { usedBasic: boolean }): OAuthError {
  if (thrown instanceof OAuthRefusal) {
    return answer(thrown.error, thrown.message, { httpStatus: thrown.httpStatus, headers: thrown.headers, usedBasic });
  }
  if (thrown instanceof EdgeRefusal) {
    const { httpStatus = httpStatusOf(thrown.code), headers = {} } = thrown.options;
    const error = httpStatus === 503 ? "temporarily_unavailable" : "invalid_request";
    return answer(error, thrown.message, { httpStatus, headers, usedBasic });
  }
  const error = errorByReason.get(reasonOf(thrown) ?? "");
  if (error !== undefined && thrown instanceof ConnectError) return answer(error, thrown.rawMessage, { usedBasic });
  return failure(thrown, usedBasic);
}

/** What RFC 6749 has no word for: the server, and not the request. */
function failure(thrown: unknown, usedBasic: boolean): OAuthError {
  const httpStatus = thrown instanceof ConnectError ? httpStatusOf(thrown.code) : 500;
  if (httpStatus === 500) return { ...answer("server_error", "internal error", { httpStatus, usedBasic }), unexpected: true };
  const retry = thrown instanceof ConnectError ? thrown.findDetails(RetryInfoSchema)[0]?.retryDelay : undefined;
  const seconds = retry ? Number(retry.seconds) + (retry.nanos > 0 ? 1 : 0) : retrySecondsDefault;
  const headers = { "retry-after": String(Math.max(1, seconds)) };
  return answer("temporarily_unavailable", "the server cannot answer now, try again", { httpStatus, headers, usedBasic });
}

interface Parts {
  httpStatus?: number;
  headers?: Record<string, string>;
  usedBasic: boolean;
}

function answer(error: string, description: string, { httpStatus = 400, headers = {}, usedBasic }: Parts): OAuthError {
  const isChallenge = error === "invalid_client" && usedBasic;
  return {
    httpStatus: isChallenge ? 401 : httpStatus,
    headers: isChallenge ? { ...headers, ...challenge } : headers,
    // Quotes, backslashes and whatever is not ASCII have no place in a description.
    body: { error, error_description: description.replaceAll(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, " ") },
    unexpected: false,
  };
}
