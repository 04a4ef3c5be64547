// How much a client may ask, at the door of the RPCs: whom a call counts for, and once.
import { createContextKey, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import type { Caller } from "#runtime/access/caller.ts";
import type { Limits } from "#runtime/limits/limits.ts";
import { limitOf } from "#runtime/limits/method-limit.ts";
import type { Origin } from "./call-origin.ts";

/** Health and reflection are always answered. */
const exemptPackage = "grpc.";

/** Headers of the answer to a call that is to be counted for the client that it names, too. */
const answerKey = createContextKey<Headers | undefined>(undefined, { description: "headers of a limited answer" });

export interface CallLimits {
  /**
   * Counts a call that comes from outside. A caller that showed no token, or none that is good, is its address.
   *
   * @throws ConnectError RESOURCE_EXHAUSTED with RATE_LIMITED.
   */
  count(call: HandlerContext, caller: Caller | undefined, origin: Origin): void;
  /** Counts calls for the client that their request names, where the contract says so; after the validation. */
  countClients: Interceptor;
}

export function createCallLimits(limits: Limits): CallLimits {
  return {
    count: (call, caller, { address, isCounted }) => {
      if (caller?.roles.includes("service") || call.service.typeName.startsWith(exemptPackage)) return;
      if (isCounted) return;
      const own = limitOf(call.method);
      if (own) {
        if (own.clientField !== undefined) call.values.set(answerKey, call.responseHeader);
        limits.countAddressOf(own.name, address, call.responseHeader);
      } else if (caller) limits.countCaller(caller, call.responseHeader);
      else limits.countAddress(address, call.responseHeader);
    },
    countClients: (next) => async (request) => {
      const header = request.contextValues.get(answerKey);
      const own = limitOf(request.method);
      if (!header || own?.clientField === undefined || request.stream) return next(request);
      const clientId = (request.message as unknown as Record<string, string>)[own.clientField];
      if (clientId) limits.countClientOf(own.name, clientId, header);
      return next(request);
    },
  };
}
