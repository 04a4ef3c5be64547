// Reads what a client sends: parameters in a form (RFC 6749, section 3.2), and who it is (section 2.3.1).
import type { IncomingMessage, ServerResponse } from "node:http";
import { collect, type BodyLimits } from "../transcode/read-body.ts";
import { OAuthRefusal } from "./error.ts";

export type Parameters = ReadonlyMap<string, string>;

const formType = /^\s*application\/x-www-form-urlencoded\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

/** Parameters without a value are as good as not sent; one that is sent twice could mean either, so it is refused. */
export async function readForm(request: IncomingMessage, response: ServerResponse, limits: BodyLimits): Promise<Parameters> {
  if (!formType.test(request.headers["content-type"] ?? "") || request.headers["content-encoding"] !== undefined) {
    throw new OAuthRefusal("invalid_request", "send the parameters as application/x-www-form-urlencoded");
  }
  if (request.headers.expect?.toLowerCase() === "100-continue") response.writeContinue();
  const bytes = await collect(request, limits);
  const parameters = new Map<string, string>();
  const names = new Set<string>();
  for (const [name, value] of new URLSearchParams(bytes.toString("utf8"))) {
    if (names.has(name)) throw new OAuthRefusal("invalid_request", "a parameter is sent more than once");
    names.add(name);
    if (value !== "") parameters.set(name, value);
  }
  return parameters;
}

export interface Credentials {
  clientId: string;
  clientSecret: string;
}

export const usesBasic = (authorization: string | undefined): boolean => /^basic(\s|$)/i.test(authorization ?? "");

/** By HTTP Basic or by parameters, not both; a public client only names itself. */
export function readCredentials(authorization: string | undefined, parameters: Parameters): Credentials {
  const clientId = parameters.get("client_id") ?? "";
  const clientSecret = parameters.get("client_secret") ?? "";
  if (authorization === undefined) return { clientId, clientSecret };
  const basic = readBasic(authorization);
  if (!basic) throw new OAuthRefusal("invalid_client", "the Authorization header is not HTTP Basic with client id and secret");
  if (clientSecret !== "" || (clientId !== "" && clientId !== basic.clientId)) {
    throw new OAuthRefusal("invalid_request", "the client is named in the Authorization header and otherwise in the body");
  }
  return basic;
}

/** Both halves are form-encoded before they are joined, so that a colon may be in either. */
function readBasic(authorization: string): Credentials | undefined {
  const token = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization.trim())?.[1];
  if (token === undefined) return undefined;
  const text = Buffer.from(token, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 1) return undefined;
  try {
    return { clientId: formDecode(text.slice(0, colon)), clientSecret: formDecode(text.slice(colon + 1)) };
  } catch {
    return undefined;
  }
}

/** Throws URIError where an escape is none. */
const formDecode = (text: string): string => decodeURIComponent(text.replaceAll("+", " "));
