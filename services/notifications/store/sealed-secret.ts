// A secret as it is stored: encrypted, so that a dump of the database signs nothing. As identity keeps its signing keys.
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

const ivBytes = 12;
const tagBytes = 16;

/** The endpoint is authenticated with it: a sealed secret cannot be put in another's place. */
export function sealSecret(sealingKey: Buffer, endpointId: string, secret: string): Buffer {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv("aes-256-gcm", sealingKey, iv, { authTagLength: tagBytes }).setAAD(Buffer.from(endpointId));
  const sealed = Buffer.concat([cipher.update(secret, "utf8"), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

/** Throws where it was sealed under another secret of the installation, or for another endpoint. */
export function openSecret(sealingKey: Buffer, endpointId: string, sealed: Buffer): string {
  const decipher = createDecipheriv("aes-256-gcm", sealingKey, sealed.subarray(0, ivBytes), { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(endpointId)).setAuthTag(sealed.subarray(ivBytes, ivBytes + tagBytes));
  return Buffer.concat([decipher.update(sealed.subarray(ivBytes + tagBytes)), decipher.final()]).toString("utf8");
}
