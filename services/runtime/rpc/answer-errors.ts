// Whatever is thrown becomes an answer with an ErrorInfo; what we did not mean to say becomes "internal error".
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { errorDomain, isDatabaseConflict, isDatabaseUnavailable, reasonOf, refuse, unavailable } from "#runtime/errors.ts";
import type { Logger } from "#runtime/log.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { methodName } from "./log-calls.ts";
import { withErrors } from "./streams.ts";

/**
 * Turns everything thrown below it into a refusal that carries an ErrorInfo. Refusals of ours pass as they are,
 * also those of a dependency; an error that is none is logged here and hidden from the caller.
 */
export function answerErrors({ log }: { log: Logger }): Interceptor {
  return (next) => async (request) => {
    const answer = (error: unknown): ConnectError => {
      const said = answerOf(error, request.signal);
      if (said) return said;
      log.error({ method: methodName(request), err: error }, "rpc_failed");
      return refuse(Code.Internal, "INTERNAL", "internal error", { traceId: currentRequest().traceparent.slice(3, 35) });
    };
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: withErrors(response.message, answer) } : response;
    } catch (error) {
      throw answer(error);
    }
  };
}

/** The answer that the error stands for; undefined where the caller must not see it. */
function answerOf(error: unknown, signal: AbortSignal): ConnectError | undefined {
  if (signal.aborted && isAbort(error, signal)) return endOf(signal);
  if (error instanceof ConnectError) return refusalOf(error);
  if (isDatabaseUnavailable(error)) return unavailable("the database", error);
  if (isDatabaseConflict(error)) return refuse(Code.Aborted, "CONFLICT", "another change came first, try again");
  return undefined;
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  return error === signal.reason || (error instanceof Error && error.name === "AbortError");
}

/** Why the call was ended from outside: its deadline, the shutdown, or a caller that went away. */
function endOf(signal: AbortSignal): ConnectError {
  const reason: unknown = signal.reason;
  if (reason instanceof ConnectError) return withReason(reason);
  return refuse(Code.Canceled, reasonByCode(Code.Canceled), "the caller went away");
}

// ConnectError.from(error) makes UNKNOWN of any error and quotes it: without a reason of ours nobody meant to say it.
const unmeantCodes = new Set([Code.Unknown, Code.Internal, Code.DataLoss]);

function refusalOf(error: ConnectError): ConnectError | undefined {
  if (reasonOf(error) !== undefined) return error;
  return unmeantCodes.has(error.code) ? undefined : withReason(error);
}

function withReason(error: ConnectError): ConnectError {
  if (reasonOf(error) === undefined) {
    const value = create(ErrorInfoSchema, { reason: reasonByCode(error.code), domain: errorDomain });
    error.details.push({ desc: ErrorInfoSchema, value });
  }
  return error;
}

function reasonByCode(code: Code): string {
  return codeToString(code).toUpperCase();
}
