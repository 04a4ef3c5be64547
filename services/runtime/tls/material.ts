// Certificates and keys as they stand in files, checked before anybody relies on them.
import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext, type SecureContext } from "node:tls";
import { errorReason } from "../backing/error-details.ts";
import type { TlsSettings } from "./settings.ts";

export interface TlsMaterial {
  /** What node:tls takes, for servers and for clients. */
  files: { cert?: string; key?: string; ca?: string };
  context: SecureContext;
  /** When our own certificate ends; undefined where we have none. */
  validTo: Date | undefined;
}

/** Files that cannot be used. The message is for a person and names the file. */
export class TlsFileProblem extends Error {
  override readonly name = "TlsFileProblem";
}

/** The files as text, not yet checked. Throws TlsFileProblem where one cannot be read. */
export async function readTlsFiles({ identity, caFile }: TlsSettings): Promise<TlsMaterial["files"]> {
  const [cert, key, ca] = await Promise.all([identity?.certFile, identity?.keyFile, caFile].map(readPem));
  return { ...(cert ? { cert } : {}), ...(key ? { key } : {}), ...(ca ? { ca } : {}) };
}

async function readPem(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  return readFile(path, "utf8").catch((error: unknown) => {
    throw new TlsFileProblem(`${path} cannot be read (${errorReason(error)})`);
  });
}

/** What the files say. Throws TlsFileProblem where a certificate is none or has ended, or the key is another one's. */
export function checkTlsFiles(files: TlsMaterial["files"], { identity, caFile }: TlsSettings, now: Date): TlsMaterial {
  for (const block of pemBlocks(files.ca ?? "", caFile)) parseCertificate(block, caFile);
  let validTo: Date | undefined;
  if (identity) {
    // The first is our own; the others lead to the CA.
    const [own] = pemBlocks(files.cert ?? "", identity.certFile);
    const certificate = parseCertificate(own ?? "", identity.certFile);
    validTo = new Date(certificate.validTo);
    if (validTo <= now) throw new TlsFileProblem(`the certificate in ${identity.certFile} has ended at ${validTo.toISOString()}`);
    if (!certificate.checkPrivateKey(parseKey(files.key ?? "", identity.keyFile))) {
      throw new TlsFileProblem(`the key in ${identity.keyFile} is not that of the certificate in ${identity.certFile}`);
    }
  }
  return { files, context: createSecureContext(files), validTo };
}

function pemBlocks(text: string, path: string | undefined): string[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g);
  if (blocks) return blocks;
  if (path === undefined) return [];
  throw new TlsFileProblem(`${path} holds no certificate in PEM`);
}

function parseCertificate(text: string, path: string | undefined): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch (error) {
    throw new TlsFileProblem(`${path} holds a certificate that cannot be read (${errorReason(error)})`);
  }
}

function parseKey(text: string, path: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    // The reason of a key is not told: it could quote it.
    throw new TlsFileProblem(`${path} holds no private key in PEM without a password`);
  }
}
