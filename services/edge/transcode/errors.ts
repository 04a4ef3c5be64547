// The one place where whatever was thrown becomes a google.rpc.Status answer. Only what was meant for the caller goes out.
import {
  create,
  fromBinary,
  isMessage,
  toJson,
  type DescMessage,
  type JsonObject,
  type Message,
  type Registry,
} from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  DebugInfoSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
  type ErrorInfo,
  type RetryInfo,
} from "#gen/google/rpc/error_details_pb.ts";
import { isJsonObject } from "./json-value.ts";
import { EdgeRefusal, httpStatusOf, reasonOfCode, rpcCode } from "./status.ts";

export interface ErrorAnswer {
  httpStatus: number;
  headers: Record<string, string>;
  /** google.rpc.Status in ProtoJSON. */
  status: { code: number; message: string; details: JsonObject[] };
  /** True where it was a mistake of ours, which the log must have. */
  unexpected: boolean;
}

export interface ErrorOptions {
  /** Types that details may have. */
  registry: Registry;
  /** Domain of ErrorInfo where the error brought none. */
  domain: string;
}

/** Seconds to wait where an error that may pass does not say. */
const retrySecondsDefault = 1;
const detailsMax = 20;

export function toErrorAnswer(error: unknown, options: ErrorOptions): ErrorAnswer {
  if (error instanceof EdgeRefusal) return answerRefusal(error, options);
  if (error instanceof ConnectError) return answerRpcError(error, options);
  return internalError(options);
}

function answerRefusal(refusal: EdgeRefusal, options: ErrorOptions): ErrorAnswer {
  const { metadata = {}, fieldViolations, httpStatus, headers = {} } = refusal.options;
  const details: Detail[] = [errorInfo(refusal.reason, options.domain, metadata)];
  if (fieldViolations) details.push({ desc: BadRequestSchema, message: create(BadRequestSchema, { fieldViolations }) });
  return answer({ code: refusal.code, message: refusal.message, details, httpStatus, headers }, options);
}

function answerRpcError(error: ConnectError, options: ErrorOptions): ErrorAnswer {
  const code: number = error.code;
  const details = detailsOf(error, options.registry);
  const deliberate = details.some(({ desc }) => desc.typeName === ErrorInfoSchema.typeName);
  if (code === rpcCode.internal || code === rpcCode.unknown || code === rpcCode.dataLoss) {
    // Its ErrorInfo has the trace id under which the service has logged it; nothing else of it goes out.
    const info = details.find(({ desc }) => desc.typeName === ErrorInfoSchema.typeName);
    return info ? { ...internalError(options, info), unexpected: false } : internalError(options);
  }
  if (!deliberate) details.unshift(errorInfo(reasonOfCode(code), options.domain, {}));
  // Without an ErrorInfo it may be the transport that speaks, of addresses and sockets.
  const message = deliberate ? error.rawMessage : (sentenceByCode.get(code) ?? error.rawMessage);
  const challenge = error.metadata.get("www-authenticate");
  const headers: Record<string, string> = challenge === null ? {} : { "www-authenticate": challenge };
  return answer({ code, message, details, headers, httpStatus: statusOfReason(details) }, options);
}

/** A service that takes less than we do refuses in our words, so it is our status, too. */
const statusOfReason = (details: readonly Detail[]): number | undefined =>
  details.some(({ message }) => isMessage(message, ErrorInfoSchema) && message.reason === "BODY_TOO_LARGE") ? 413 : undefined;

const sentenceByCode = new Map<number, string>([
  [rpcCode.unavailable, "the service is unavailable, try again"],
  [rpcCode.deadlineExceeded, "the deadline passed before there was an answer"],
  [rpcCode.cancelled, "the request was cancelled"],
]);

function internalError(options: ErrorOptions, info: Detail = errorInfo("INTERNAL", options.domain, {})): ErrorAnswer {
  return { ...answer({ code: rpcCode.internal, message: "internal error", details: [info] }, options), unexpected: true };
}

interface Detail {
  desc: DescMessage;
  message: Message;
}

interface Parts {
  code: number;
  message: string;
  details: Detail[];
  httpStatus?: number | undefined;
  headers?: Record<string, string>;
}

function answer(parts: Parts, options: ErrorOptions): ErrorAnswer {
  const httpStatus = parts.httpStatus ?? httpStatusOf(parts.code);
  const headers = { ...parts.headers };
  const details = [...parts.details];
  if (httpStatus === 429 || httpStatus === 503) {
    let retry = details.map(({ message }) => message).find((message) => isMessage(message, RetryInfoSchema));
    if (!retry) {
      retry = create(RetryInfoSchema, { retryDelay: { seconds: BigInt(retrySecondsDefault) } });
      details.push({ desc: RetryInfoSchema, message: retry });
    }
    headers["retry-after"] = String(retryAfterSeconds(retry));
  }
  if (httpStatus === 401) headers["www-authenticate"] ??= "Bearer";
  const json = details.slice(0, detailsMax).map((detail) => detailJson(detail, options.registry));
  return { httpStatus, headers, status: { code: parts.code, message: parts.message, details: json }, unexpected: false };
}

/** Whole seconds, rounded up: Retry-After has no fractions, and too early is worse than too late. */
function retryAfterSeconds(retry: RetryInfo): number {
  const { seconds = 0n, nanos = 0 } = retry.retryDelay ?? {};
  return Math.max(1, Number(seconds) + (nanos > 0 ? 1 : 0));
}

function errorInfo(reason: string, domain: string, metadata: Record<string, string>): Detail {
  const message: ErrorInfo = create(ErrorInfoSchema, { reason, domain, metadata });
  return { desc: ErrorInfoSchema, message };
}

/** Details that are known by contract; others could not be printed, and a DebugInfo is not for callers. */
function detailsOf(error: ConnectError, registry: Registry): Detail[] {
  const details: Detail[] = [];
  for (const detail of error.details) {
    const typeName = "desc" in detail ? detail.desc.typeName : detail.type;
    const desc = registry.getMessage(typeName);
    if (!desc || typeName === DebugInfoSchema.typeName) continue;
    try {
      details.push({ desc, message: "desc" in detail ? create(detail.desc, detail.value) : fromBinary(desc, detail.value) });
    } catch {
      // A detail that cannot be read says nothing to anyone; the error itself still does.
    }
  }
  return details;
}

function detailJson({ desc, message }: Detail, registry: Registry): JsonObject {
  const type = { "@type": `type.googleapis.com/${desc.typeName}` };
  try {
    const json = toJson(desc, message, { registry });
    return isJsonObject(json) ? { ...type, ...json } : { ...type, value: json ?? null };
  } catch {
    return type;
  }
}
