// google.rpc.Status as HTTP sees it: the code table of google/rpc/code.proto, and refusals of the edge itself.
import type { FieldViolation } from "./violations.ts";

/** Codes of google.rpc.Code by name; Connect's Code has the same numbers. */
export const rpcCode = {
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

const httpStatusByCode = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

export function httpStatusOf(code: number): number {
  return httpStatusByCode[code] ?? 500;
}

/** Reason of an error that came without one: the code's own name. */
const reasonByCode = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

export function reasonOfCode(code: number): string {
  return reasonByCode[code] ?? "INTERNAL";
}

/** Why the edge itself refuses a request. The list is in README.md. */
export type EdgeReason =
  | "ROUTE_NOT_FOUND"
  | "METHOD_NOT_ALLOWED"
  | "INVALID_ARGUMENT"
  | "MALFORMED_JSON"
  | "MALFORMED_BODY"
  | "MALFORMED_REQUEST"
  | "BODY_NOT_ALLOWED"
  | "BODY_TOO_LARGE"
  | "BODY_INCOMPLETE"
  | "BODY_SILENT"
  | "UNSUPPORTED_MEDIA_TYPE"
  | "UNSUPPORTED_ENCODING"
  | "CONDITION_NOT_SUPPORTED"
  | "RANGE_NOT_SATISFIABLE"
  | "OVERLOADED"
  | "STREAM_ENDED";

export interface RefusalOptions {
  /** Where HTTP has a more exact status than the code's. */
  httpStatus?: number;
  headers?: Record<string, string>;
  metadata?: Record<string, string>;
  fieldViolations?: FieldViolation[];
}

/** A refusal of the edge itself, before or instead of a call. */
export class EdgeRefusal extends Error {
  override readonly name = "EdgeRefusal";
  readonly code: number;
  readonly reason: EdgeReason;
  readonly options: RefusalOptions;

  constructor(code: number, reason: EdgeReason, message: string, options: RefusalOptions = {}) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.options = options;
  }
}

/** One refusal for all that is wrong with the fields. */
export function invalidRequest(violations: FieldViolation[]): EdgeRefusal {
  const [first] = violations;
  const place = first
    ? first.field === ""
      ? `the body ${first.description}`
      : `${first.field}: ${first.description}`
    : "invalid";
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
  return new EdgeRefusal(rpcCode.invalidArgument, "INVALID_ARGUMENT", `${place}${more}`, { fieldViolations: violations });
}
