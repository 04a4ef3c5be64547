// How tools and tests come to a token of an operator: by the client that a mesh has when it starts with this secret.
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { bearer } from "./bearer.ts";

/** Settings for the processes of a mesh that is started to be tested or measured, and ends with it. */
export const throwAwayIdentity = {
  ORDERMESH_ISSUER: "http://issuer.test",
  ORDERMESH_SECRET: "a-secret-of-a-mesh-that-is-thrown-away",
  ORDERMESH_OPERATOR_SECRET: "an-operator-of-a-mesh-that-is-thrown-away",
} as const;

/** What is tested or measured is not how much one client may ask. */
export const withoutLimits = {
  ORDERMESH_RATE_CUSTOMER: "0",
  ORDERMESH_RATE_OPERATOR: "0",
  ORDERMESH_RATE_ANONYMOUS: "0",
  ORDERMESH_SIGN_INS_PER_MINUTE: "0",
  ORDERMESH_SIGN_INS_PER_MINUTE_OF_CLIENT: "0",
  ORDERMESH_TOKENS_PER_MINUTE: "0",
  ORDERMESH_TOKENS_PER_MINUTE_OF_CLIENT: "0",
} as const;

/** A new one is asked for when so much of its time is left. Milliseconds. */
const renewBeforeMs = 60_000;

export interface TokenSource {
  /** Origin of the RPC port, or of the edge. */
  rpcUrl?: string;
  edgeUrl?: string;
  clientId?: string;
  clientSecret?: string;
}

/** Gives a token of the client; asks for one at the first call and when the last comes to its end. */
export function clientTokens({ rpcUrl, edgeUrl = "", ...client }: TokenSource): () => Promise<string> {
  const { clientId = "operator", clientSecret = throwAwayIdentity.ORDERMESH_OPERATOR_SECRET } = client;
  const url = rpcUrl === undefined ? `${edgeUrl}/v1/tokens:issue` : `${rpcUrl}/${IdentityService.typeName}/IssueToken`;
  const request = { grantType: "client_credentials", clientId, clientSecret };
  let token: Promise<string> | undefined;
  let renewMs = 0;
  const ask = async (): Promise<string> => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(request) });
    if (!answer.ok) throw new Error(`no token for ${clientId}: ${answer.status} ${await answer.text()}`);
    const { access_token: text, expires_in: seconds } = (await answer.json()) as { access_token: string; expires_in: number };
    renewMs = performance.now() + seconds * 1_000 - renewBeforeMs;
    return text;
  };
  return () => {
    if (token && performance.now() < renewMs) return token;
    renewMs = Number.POSITIVE_INFINITY;
    token = ask();
    token.catch(() => {
      token = undefined;
    });
    return token;
  };
}

/** The way to a mesh as an operator. Where identity runs elsewhere, its RPC port is to be given. */
export function operatorTransport(rpcUrl: string, identityUrl = rpcUrl): Transport {
  const interceptors = [bearer(clientTokens({ rpcUrl: identityUrl }))];
  return createConnectTransport({ baseUrl: rpcUrl, httpVersion: "2", interceptors });
}

/** fetch for paths of an origin, with the token where no other is given. */
export function fetchWith(origin: string, token: () => Promise<string>): (path: string, init?: RequestInit) => Promise<Response> {
  return async (path, init = {}) => {
    const headers = new Headers(init.headers);
    if (!headers.has("authorization")) headers.set("authorization", `Bearer ${await token()}`);
    return fetch(`${origin}${path}`, { ...init, headers });
  };
}
