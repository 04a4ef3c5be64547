// How many streams somebody may have open: each is counted as one request, and lasts as long as its caller likes.
import { Code, type Interceptor } from "@connectrpc/connect";
import { isOnlyCustomer, type Caller } from "#runtime/access/caller.ts";
import { refuse } from "#runtime/errors.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { numberSetting, type Environment } from "#runtime/settings.ts";
import { cutBy } from "./streams.ts";

export interface StreamBounds {
  perCustomer: number;
  /** Of any other client, but for services. */
  perClient: number;
}

export function readStreamBounds(env: Environment): StreamBounds {
  const bounds = { min: 1, max: 1_000_000 };
  return {
    perCustomer: numberSetting(env, "ORDERMESH_STREAMS_PER_CUSTOMER", { fallback: 50, ...bounds }),
    perClient: numberSetting(env, "ORDERMESH_STREAMS_PER_CLIENT", { fallback: 2_000, ...bounds }),
  };
}

/** Refuses a stream too many of its caller with RESOURCE_EXHAUSTED, STREAMS_LIMITED. Each process counts for itself. */
export function boundStreams({ perCustomer, perClient }: StreamBounds): Interceptor {
  const open = new Map<string, number>();
  const enter = (key: string, max: number): (() => void) => {
    const count = open.get(key) ?? 0;
    if (count >= max) {
      const message = `there are ${max} streams open already, end one of them`;
      throw refuse(Code.ResourceExhausted, "STREAMS_LIMITED", message, { streamsMax: String(max) });
    }
    open.set(key, count + 1);
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      const left = (open.get(key) ?? 1) - 1;
      if (left === 0) open.delete(key);
      else open.set(key, left);
    };
  };
  return (next) => async (request) => {
    const { caller } = currentRequest();
    if (!request.stream || !caller || caller.roles.includes("service")) return next(request);
    const leave = enter(keyOf(caller), isOnlyCustomer(caller) ? perCustomer : perClient);
    try {
      const response = await next(request);
      if (response.stream) return { ...response, message: cutBy(request.signal, response.message, leave) };
      leave();
      return response;
    } catch (error) {
      leave();
      throw error;
    }
  };
}

/** As for requests: customers come by the same client, and each has its own. */
const keyOf = (caller: Caller): string => `${caller.tenant} ${caller.clientId} ${isOnlyCustomer(caller) ? caller.subject : ""}`;
