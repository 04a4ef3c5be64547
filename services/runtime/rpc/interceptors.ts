// The rules that every call obeys, whichever way it came.
import { createRegistry } from "@bufbuild/protobuf";
import { createValidator, type Validator } from "@bufbuild/protovalidate";
import type { ConnectRouterOptions, Interceptor } from "@connectrpc/connect";
import { file_google_rpc_error_details } from "#gen/google/rpc/error_details_pb.ts";
import type { FollowToken } from "#runtime/access/token-life.ts";
import type { Logger } from "#runtime/log.ts";
import type { Foreground } from "#runtime/foreground.ts";
import { checkOwner } from "./check-owner.ts";
import { answerErrors } from "./answer-errors.ts";
import { admitCalls, runInCallContext, type GateRules, type OnRefused } from "./call-context.ts";
import { boundStreams, type StreamBounds } from "./bound-streams.ts";
import { keepDeadline } from "./deadline.ts";
import { endWithToken } from "./end-with-token.ts";
import type { CallLimits } from "./limit-calls.ts";
import { countCalls } from "./foreground-calls.ts";
import { hearRefusals } from "./hear-refusals.ts";
import { logCalls } from "./log-calls.ts";
import { validateRequests } from "./validation.ts";

/** The largest message that is read, after decompression. Bytes. */
const readBytesMax = 4 * 1024 * 1024;

export interface CallRules {
  log: Logger;
  /** Whom calls without a token are for. */
  tenant: string;
  /** From compileValidator; without it, rules are compiled as requests come. */
  validator?: Validator;
  /** Hears of the calls; without it nobody counts them. */
  foreground?: Foreground;
  /** Without it a client may ask as much as it likes. */
  limits?: CallLimits;
  /** Hears of a call that was refused. */
  onRefused?: OnRefused;
  /** Tells when a caller's token ends; without it a stream is open to its own end. */
  follow?: FollowToken;
  /** Without them a caller may have any number of streams open. */
  streams?: StreamBounds;
}

/** From the outermost: context, log, refusals, errors, number of streams, end of the token, deadline, ownership, validation, limits of clients; then the handler. */
export function serverInterceptors(rules: CallRules): Interceptor[] {
  const { log, tenant, validator = createValidator(), foreground, limits, onRefused, follow, streams } = rules;
  const counting = foreground ? [countCalls(foreground)] : [];
  return [
    ...counting,
    runInCallContext({ tenant }),
    logCalls({ log }),
    ...(onRefused ? [hearRefusals(onRefused)] : []),
    answerErrors({ log }),
    ...(streams ? [boundStreams(streams)] : []),
    ...(follow ? [endWithToken(follow)] : []),
    keepDeadline,
    checkOwner,
    validateRequests({ validator }),
    ...(limits ? [limits.countClients] : []),
  ];
}

export type RouterOptions = Pick<ConnectRouterOptions, "interceptors" | "requestGate" | "readMaxBytes" | "jsonOptions">;

/** The interceptors, and what Connect does before it comes to them. */
export function routerOptions(rules: CallRules & GateRules): RouterOptions {
  return {
    requestGate: admitCalls(rules),
    interceptors: serverInterceptors(rules),
    readMaxBytes: readBytesMax,
    jsonOptions: {
      // A misspelt field is a mistake that its caller wants to hear of.
      ignoreUnknownFields: false,
      // With it, error details are readable in Connect's JSON and not only base64.
      registry: createRegistry(file_google_rpc_error_details),
    },
  };
}
