// The one place where refusals are made and where thrown errors become answers.
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";

export const errorDomain = "ordermesh";

/** How long a caller should wait before it tries again where we know nothing better. Milliseconds. */
const retryDelayMs = 1_000;

export interface RefusalDetail<Desc extends DescMessage = DescMessage> {
  desc: Desc;
  value: MessageInitShape<Desc>;
}

/**
 * A refusal that the caller may see: a gRPC code, a reason from the service's list (SCREAMING_SNAKE, in its README),
 * a sentence for people and fields for programs.
 */
export function refuse(
  code: Code,
  reason: string,
  message: string,
  metadata: Record<string, string> = {},
  details: RefusalDetail[] = [],
): ConnectError {
  const info: RefusalDetail<typeof ErrorInfoSchema> = { desc: ErrorInfoSchema, value: { reason, domain: errorDomain, metadata } };
  return new ConnectError(message, code, undefined, [info, ...details]);
}

/** UNAVAILABLE with RetryInfo: something that we stand on is away; a repeat may succeed. */
export function unavailable(what: string, cause?: unknown): ConnectError {
  const info = { desc: ErrorInfoSchema, value: { reason: "DEPENDENCY_UNAVAILABLE", domain: errorDomain, metadata: { what } } };
  const retry = { desc: RetryInfoSchema, value: { retryDelay: { seconds: 0n, nanos: retryDelayMs * 1_000_000 - 1 } } };
  return new ConnectError(`${what} is unavailable, try again`, Code.Unavailable, undefined, [info, retry], cause);
}

/** The reason of a refusal's ErrorInfo, also when it came over the wire; undefined where it has none. */
export function reasonOf(error: unknown): string | undefined {
  return error instanceof ConnectError ? error.findDetails(ErrorInfoSchema)[0]?.reason : undefined;
}

const connectionErrorCodes = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOTFOUND", "EHOSTUNREACH", "ENOENT"]);

/**
 * True where the database could not be reached or is going down, so that the same work may succeed later.
 * SQLSTATE classes 08, 57P and 53 (PostgreSQL, Appendix A), and the socket's own errors.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = (error as Error & { code?: unknown }).code;
  if (typeof code === "string") {
    return connectionErrorCodes.has(code) || code.startsWith("08") || code.startsWith("57P") || code.startsWith("53");
  }
  return /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error/.test(
    error.message,
  );
}

/** True where the database gave up one of several competing transactions: 40001 and 40P01. The same work may succeed at once. */
export function isDatabaseConflict(error: unknown): boolean {
  const code = error instanceof Error ? (error as Error & { code?: unknown }).code : undefined;
  return code === "40001" || code === "40P01";
}

/** True where a row was not written because another has what only one may have, by the name of the index: 23505. */
export function isTaken(error: unknown, index: string): boolean {
  if (!(error instanceof Error)) return false;
  const { code, constraint } = error as Error & { code?: unknown; constraint?: unknown };
  return code === "23505" && constraint === index;
}
