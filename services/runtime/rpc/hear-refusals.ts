// Tells of calls that were refused by what lies below: the owner's check, or the handler.
import type { Interceptor } from "@connectrpc/connect";
import { currentRequest } from "#runtime/request-context.ts";
import type { OnRefused } from "./call-context.ts";

export function hearRefusals(onRefused: OnRefused): Interceptor {
  return (next) => async (request) => {
    try {
      return await next(request);
    } catch (error) {
      onRefused(request.method, currentRequest(), error);
      throw error;
    }
  };
}
