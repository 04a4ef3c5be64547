// From the text of an access token to who it speaks for.
import { errors, jwtVerify, type JWTPayload } from "jose";
import { LRUCache } from "lru-cache";
import type { ConnectError } from "@connectrpc/connect";
import { unavailable } from "../errors.ts";
import { unauthenticated } from "./authorize.ts";
import type { Caller } from "./caller.ts";
import { roles as knownRoles, tokenAlgorithm, tokenAudience, tokenSecondsMax, tokenType, type TokenClaims } from "./claims.ts";
import type { Keys } from "./keys.ts";
import { assertGood, clockToleranceSeconds, expired, type TokenLife } from "./token-life.ts";

/** A client sends the same token with each call, and to verify it costs more than the rest of a small call. */
const rememberedMax = 10_000;
/** Beyond it, a header is no token of ours. Characters. */
const tokenLengthMax = 8_192;

export interface VerifierOptions extends TokenLife {
  issuer: string;
  keys: Keys;
}

/** @throws ConnectError UNAUTHENTICATED with TOKEN_INVALID, TOKEN_EXPIRED or TOKEN_REVOKED; UNAVAILABLE while nothing can be verified. */
export type VerifyToken = (token: string) => Promise<Caller>;

export function createVerifier({ issuer, keys, revoked, clock }: VerifierOptions): VerifyToken {
  const remembered = new LRUCache<string, Caller>({ max: rememberedMax });
  const verify = async (token: string): Promise<Caller> => {
    if (token.length > tokenLengthMax) throw invalid();
    let isAway: ConnectError | undefined;
    const keyOf = async ({ kid = "" }: { kid?: string }) => {
      const key = await keys.find(kid).catch((error: unknown) => {
        throw (isAway = unavailable("identity", error));
      });
      if (!key) throw new errors.JWKSNoMatchingKey();
      return key;
    };
    const rules = {
      issuer,
      audience: tokenAudience,
      typ: tokenType,
      algorithms: [tokenAlgorithm],
      requiredClaims: ["exp", "iat", "jti"],
    };
    const time = { clockTolerance: clockToleranceSeconds, currentDate: clock.now(), maxTokenAge: tokenSecondsMax };
    const { payload } = await jwtVerify(token, keyOf, { ...rules, ...time }).catch((error: unknown) => {
      throw isAway ?? (error instanceof errors.JWTExpired ? expired() : invalid());
    });
    const caller = callerOf(payload, token);
    if (!caller) throw invalid();
    remembered.set(token, caller);
    return caller;
  };
  return async (token) => {
    const caller = remembered.get(token) ?? (await verify(token));
    assertGood(caller, { revoked, clock });
    return caller;
  };
}

/** Says no more: what exactly is wrong with it helps only whoever made it up. */
const invalid = (): ConnectError => unauthenticated("TOKEN_INVALID", "the access token is not valid");

/** Undefined where a claim is missing or of another kind: signed by us, but not meant as an access token. */
function callerOf(payload: JWTPayload, token: string): Caller | undefined {
  const claims: Partial<Record<keyof TokenClaims, unknown>> & JWTPayload = payload;
  const { sub, client_id: clientId, jti, sid, tenant, roles, scope, rate_limit: rateLimit, exp, iat } = claims;
  if (typeof sub !== "string" || typeof clientId !== "string" || typeof jti !== "string") return undefined;
  if (typeof tenant !== "string" || typeof scope !== "string" || typeof exp !== "number" || typeof iat !== "number")
    return undefined;
  if (!Array.isArray(roles)) return undefined;
  const known = knownRoles.filter((role) => roles.includes(role));
  // Only a service acts for no shop.
  if (known.length === 0 || (tenant === "" && !known.includes("service"))) return undefined;
  return {
    subject: sub,
    clientId,
    tenant,
    roles: known,
    scopes: new Set(scope.split(" ").filter((each) => each !== "")),
    token,
    tokenId: jti,
    ...(typeof sid === "string" ? { sessionId: sid } : {}),
    ...(typeof rateLimit === "number" ? { rateLimit } : {}),
    issueMs: iat * 1_000,
    endMs: Math.min(exp, iat + tokenSecondsMax) * 1_000,
  };
}
