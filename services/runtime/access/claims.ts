// What an access token says: a JWT by RFC 9068, with what we need beside it. identity writes it, every process reads it.

/** Claim "aud": who is to take the token. */
export const tokenAudience = "ordermesh";
/** Header "typ" (RFC 9068, section 2.1). */
export const tokenType = "at+jwt";
/** The only one that is taken (RFC 8725, section 3.1): a token does not choose how it is verified. */
export const tokenAlgorithm = "ES256";

/** No access token is good for longer. Seconds. */
export const tokenSecondsMax = 600;

/** What one may be. A customer is a person who buys, an operator works for the shop, a service is one of ours. */
export const roles = ["customer", "operator", "service"] as const;
export type Role = (typeof roles)[number];

/** Beside iss, aud, iat, nbf and exp. */
export interface TokenClaims {
  /** Id of the customer, or the client's where it acts for itself: 1 to 64 letters, digits, "_" and "-". */
  sub: string;
  /** The OAuth client that got the token. */
  client_id: string;
  /** TypeID with prefix "tok". */
  jti: string;
  /** TypeID with prefix "ses"; absent where a client acts for itself. All tokens that come from one sign-in share it. */
  sid?: string;
  /** The shop; empty where a service acts for no shop. */
  tenant: string;
  roles: Role[];
  /** Scopes with spaces between (RFC 8693, section 4.2). */
  scope: string;
  /** Requests a second; absent where the plan's default holds. */
  rate_limit?: number;
}
