// Writes and reads access tokens: JWTs by RFC 9068, signed by the key that the database says.
import type { KeyObject } from "node:crypto";
import { createLocalJWKSet, errors, jwtVerify, SignJWT, type JWTPayload } from "jose";
import type { Transaction } from "kysely";
import { tokenAlgorithm, tokenAudience, tokenType, type TokenClaims } from "#runtime/access/claims.ts";
import { newId } from "#runtime/ids.ts";
import { accessTokenMs, publishedKeys, signingKey } from "../domain/keys.ts";
import { readKeys, type StoredKey } from "../store/keys.ts";
import { openSealedKey } from "../store/sealed-key.ts";
import type { IdentityTables } from "../store/tables.ts";

export type VerifiedToken = TokenClaims & { iat: number; exp: number };

export interface IssuedToken {
  accessToken: string;
  expireTime: Date;
}

export interface AccessTokens {
  issue(tx: Transaction<IdentityTables>, claims: Omit<TokenClaims, "jti">, now: Date): Promise<IssuedToken>;
  /** The token with these claims, as they are. */
  sign(tx: Transaction<IdentityTables>, claims: JWTPayload, now: Date): Promise<string>;
  /** What a token says that we have signed and that has not ended; undefined for everything else. */
  verify(tx: Transaction<IdentityTables>, token: string, now: Date): Promise<VerifiedToken | undefined>;
}

export interface AccessTokenSettings {
  issuer: string;
  sealingKey: () => Buffer;
}

export function createAccessTokens({ issuer, sealingKey }: AccessTokenSettings): AccessTokens {
  const opened = new Map<string, KeyObject>();
  const open = ({ keyId, privateSealed }: StoredKey): KeyObject => {
    const key = opened.get(keyId) ?? openSealedKey(sealingKey(), keyId, privateSealed);
    if (!key) throw new Error(`the secret does not open the signing key ${keyId}`);
    opened.set(keyId, key);
    return key;
  };
  const sign: AccessTokens["sign"] = async (tx, claims, now) => {
    const keys = await readKeys(tx);
    const key = signingKey(keys, now);
    if (!key) throw new Error("there is no signing key");
    for (const keyId of opened.keys()) if (!keys.some((kept) => kept.keyId === keyId)) opened.delete(keyId);
    return new SignJWT(claims).setProtectedHeader({ alg: tokenAlgorithm, typ: tokenType, kid: key.keyId }).sign(open(key));
  };
  return {
    sign,
    issue: async (tx, claims, now) => {
      const iat = Math.floor(now.getTime() / 1_000);
      const exp = iat + accessTokenMs / 1_000;
      const whole = { ...claims, jti: newId("tok"), iss: issuer, aud: tokenAudience, iat, nbf: iat, exp };
      const accessToken = await sign(tx, whole, now);
      return { accessToken, expireTime: new Date(exp * 1_000) };
    },
    verify: async (tx, token, now) => {
      const keys = createLocalJWKSet({ keys: publishedKeys(await readKeys(tx), now).map(publicJwk) });
      const rules = { issuer, audience: tokenAudience, typ: tokenType, algorithms: [tokenAlgorithm], currentDate: now };
      try {
        // The signature is ours, and with it the claims are.
        return (await jwtVerify<JWTPayload & VerifiedToken>(token, keys, rules)).payload;
      } catch (error) {
        if (error instanceof errors.JOSEError) return undefined;
        throw error;
      }
    },
  };
}

/** As it is published (RFC 7517, section 4). */
export function publicJwk({ keyId, publicJwk: { kty, crv, x, y } }: StoredKey) {
  return { kty, crv, x, y, kid: keyId, use: "sig", alg: tokenAlgorithm };
}
