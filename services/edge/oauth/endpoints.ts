// The endpoints of OAuth 2, which take forms where everything else takes JSON: token (RFC 6749), revocation (RFC 7009) and
// introspection (RFC 7662). Each is a call of IdentityService.
import type { IncomingMessage, ServerResponse } from "node:http";
import { create, toJson, type DescMethodUnary, type MessageInitShape } from "@bufbuild/protobuf";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { sendJson } from "../transcode/answer.ts";
import type { Caller } from "../transcode/caller.ts";
import { callHeaders, requestIdOf } from "../transcode/request-headers.ts";
import type { BodyLimits } from "../transcode/read-body.ts";
import { OAuthRefusal, toOAuthError } from "./error.ts";
import { readCredentials, readForm, usesBasic, type Credentials, type Parameters } from "./form.ts";

/** More than any parameters of ours need. Bytes. */
const bodyBytesMax = 16_384;
const bodiesBytesMax = 16_777_216;
const timeoutMs = 10_000;
/** The Authorization header is read here, and its secret goes on in the message. */
const forwardedHeaders = ["traceparent", "tracestate"];

interface Endpoint<Method extends DescMethodUnary = DescMethodUnary> {
  method: Method;
  request(credentials: Credentials, parameters: Parameters): MessageInitShape<Method["input"]>;
}

const endpoint = <Method extends DescMethodUnary>(method: Method, request: Endpoint<Method>["request"]): Endpoint => ({
  method,
  request,
});

const text = (parameters: Parameters, name: string): string => parameters.get(name) ?? "";
const tokenOf = (credentials: Credentials, parameters: Parameters) => ({
  ...credentials,
  token: text(parameters, "token"),
  tokenTypeHint: text(parameters, "token_type_hint"),
});

const endpoints = new Map<string, Endpoint>([
  [
    "/oauth/token",
    endpoint(IdentityService.method.issueToken, (credentials, parameters) => ({
      ...credentials,
      grantType: text(parameters, "grant_type"),
      refreshToken: text(parameters, "refresh_token"),
      scope: text(parameters, "scope"),
      tenant: text(parameters, "tenant"),
    })),
  ],
  ["/oauth/revoke", endpoint(IdentityService.method.revokeToken, tokenOf)],
  ["/oauth/introspect", endpoint(IdentityService.method.introspectToken, tokenOf)],
]);

export interface OAuthOptions {
  caller: Caller;
  /** Headers of the call's answer, in lower case, that are the answer's as well. */
  returnedHeaders: readonly string[];
  newRequestId: () => string;
  /** Hears of what was not foreseen; the caller only reads "server_error". */
  onUnexpected: (error: unknown, context: { path: string; requestId: string }) => void;
}

export interface OAuthEndpoints {
  /** False where the path is none of these; else every outcome is an answer. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
}

export function createOAuthEndpoints({ caller, returnedHeaders, newRequestId, onUnexpected }: OAuthOptions): OAuthEndpoints {
  const limits: BodyLimits = { bytesMax: bodyBytesMax, budget: { bytes: 0, bytesMax: bodiesBytesMax } };

  const ask = async (found: Endpoint, request: IncomingMessage, response: ServerResponse, requestId: string) => {
    if (request.method !== "POST") {
      throw new OAuthRefusal("invalid_request", "this path takes POST", { httpStatus: 405, headers: { allow: "POST" } });
    }
    const parameters = await readForm(request, response, limits);
    const credentials = readCredentials(request.headers.authorization, parameters);
    const { method } = found;
    const ending = new AbortController();
    response.once("close", () => {
      if (!response.writableFinished) ending.abort();
    });
    const headers = callHeaders(request, forwardedHeaders, requestId);
    const message = create(method.input, found.request(credentials, parameters));
    const onHeaders = (answered: Headers): void => {
      for (const name of returnedHeaders) if (answered.has(name)) response.setHeader(name, answered.get(name) ?? "");
    };
    const answer = await caller.unary(method, message, { headers, signal: ending.signal, timeoutMs, onHeaders });
    return JSON.stringify(toJson(method.output, answer));
  };

  return {
    handle: async (request, response) => {
      const path = (request.url ?? "/").split("?", 1)[0] ?? "";
      const found = endpoints.get(path);
      if (!found) return false;
      const requestId = requestIdOf(request.headers, newRequestId);
      // RFC 6749, section 5.1.
      const headers = { "x-request-id": requestId, "cache-control": "no-store", pragma: "no-cache" };
      try {
        sendJson(request, response, 200, headers, await ask(found, request, response, requestId));
      } catch (thrown) {
        const error = toOAuthError(thrown, { usedBasic: usesBasic(request.headers.authorization) });
        if (error.unexpected) onUnexpected(thrown, { path, requestId });
        sendJson(request, response, error.httpStatus, { ...headers, ...error.headers }, JSON.stringify(error.body));
      }
      return true;
    },
  };
}
