// Shows an access token with every call of a transport.
import type { Interceptor } from "@connectrpc/connect";

export function bearer(token: string | (() => Promise<string>)): Interceptor {
  return (next) => async (request) => {
    if (!request.header.has("authorization"))
      request.header.set("authorization", `Bearer ${typeof token === "string" ? token : await token()}`);
    return next(request);
  };
}
