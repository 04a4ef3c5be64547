// Signs tokens as identity does, and as it never would.
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from "jose";
import type { JsonWebKey } from "#gen/ordermesh/identity/v1/keys_service_pb.ts";
import { tokenAlgorithm, tokenAudience, tokenType, type TokenClaims } from "./claims.ts";

export interface TestKey {
  id: string;
  privateKey: CryptoKey;
  published: JsonWebKey;
}

export async function testKey(id: string): Promise<TestKey> {
  const { privateKey, publicKey } = await generateKeyPair(tokenAlgorithm, { extractable: true });
  const { kty, crv, x, y } = await exportJWK(publicKey);
  const published = { kty: kty!, crv: crv!, x: x!, y: y!, kid: id, use: "sig", alg: tokenAlgorithm };
  return { id, privateKey, published: { $typeName: "ordermesh.identity.v1.JsonWebKey", ...published } };
}

export const testIssuer = "http://issuer.test";

export const testClaims: TokenClaims = {
  sub: "ada",
  client_id: "shop",
  jti: "tok_1",
  sid: "ses_1",
  tenant: "demo",
  roles: ["customer"],
  scope: "orders:read orders:write",
};

interface Times {
  iat?: number;
  nbf?: number;
  exp?: number;
}

export interface TokenOptions {
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
  /** Seconds from now. */
  times?: Times;
}

/** A token of ten minutes, with what is asked for instead; a claim that is undefined is left out. */
export async function signToken(key: TestKey, { claims = {}, header = {}, times = {} }: TokenOptions = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  const { iat = 0, nbf = 0, exp = 600 } = times;
  const time = { iat: now + iat, nbf: now + nbf, exp: now + exp };
  return new SignJWT({ iss: testIssuer, aud: tokenAudience, ...time, ...testClaims, ...claims })
    .setProtectedHeader({ alg: tokenAlgorithm, typ: tokenType, kid: key.id, ...header })
    .sign(key.privateKey);
}
