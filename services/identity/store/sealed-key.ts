// A signing key as it is stored: its private half encrypted, so that a dump of the database signs nothing.
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  generateKeyPairSync,
  randomBytes,
  type KeyObject,
} from "node:crypto";

const ivBytes = 12;
const tagBytes = 16;

export interface NewKey {
  publicJwk: { kty: string; crv: string; x: string; y: string };
  privateSealed: Buffer;
}

/** A key for ES256 (RFC 7518, section 3.4). The id is authenticated with it: a sealed key cannot be put in another's place. */
export function makeSealedKey(sealingKey: Buffer, keyId: string): NewKey {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { kty = "", crv = "", x = "", y = "" } = publicKey.export({ format: "jwk" });
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv("aes-256-gcm", sealingKey, iv, { authTagLength: tagBytes }).setAAD(Buffer.from(keyId));
  const sealed = Buffer.concat([cipher.update(privateKey.export({ format: "der", type: "pkcs8" })), cipher.final()]);
  return { publicJwk: { kty, crv, x, y }, privateSealed: Buffer.concat([iv, cipher.getAuthTag(), sealed]) };
}

/** Undefined where it was sealed under another secret. */
export function openSealedKey(sealingKey: Buffer, keyId: string, sealed: Buffer): KeyObject | undefined {
  const iv = sealed.subarray(0, ivBytes);
  const tag = sealed.subarray(ivBytes, ivBytes + tagBytes);
  const cipher = createDecipheriv("aes-256-gcm", sealingKey, iv, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(keyId)).setAuthTag(tag);
  try {
    const der = Buffer.concat([cipher.update(sealed.subarray(ivBytes + tagBytes)), cipher.final()]);
    return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  } catch {
    return undefined;
  }
}
