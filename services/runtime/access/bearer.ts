// The header in which a caller shows its token (RFC 6750, section 2.1). The other ways of that standard put tokens into URLs
// and bodies, where they are logged and kept.
import { unauthenticated } from "./authorize.ts";

const bearerPattern = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/**
 * The token; undefined where the caller shows none.
 *
 * @throws ConnectError UNAUTHENTICATED with TOKEN_INVALID where the header says something else.
 */
export function bearerToken(header: Headers): string | undefined {
  const text = header.get("authorization");
  if (text === null) return undefined;
  const token = bearerPattern.exec(text)?.[1];
  if (token === undefined) throw unauthenticated("TOKEN_INVALID", "the header Authorization must be: Bearer <token>");
  return token;
}
