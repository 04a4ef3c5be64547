// A certificate authority for development and tests: elliptic keys, X.509 version 3 (RFC 5280).
import "./reflection.ts";
import { webcrypto } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
/** Clocks differ: one that is a little behind must not find a certificate of the future. */
const backdateMs = 300_000;
const dayMs = 86_400_000;

export interface Issued {
  /** Both PEM. */
  certificate: string;
  key: string;
}

export interface Authority extends Issued {
  issue(subject: Subject): Promise<Issued>;
}

export interface Subject {
  /** The common name; PostgreSQL may take it for the user's. */
  name: string;
  dnsNames: readonly string[];
  addresses: readonly string[];
  /** What it may be used for. */
  uses: readonly ("server" | "client")[];
  notAfter: Date;
}

export async function createAuthority({ days }: { days: number }): Promise<Authority> {
  const keys = await createKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: "CN=ordermesh development CA",
    keys,
    notBefore: new Date(Date.now() - backdateMs),
    notAfter: new Date(Date.now() + days * dayMs),
    signingAlgorithm: algorithm,
    extensions: [
      // It signs those that are used, and no other authority.
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return authorityOf(certificate, keys.privateKey, await keyPem(keys.privateKey));
}

/** An authority whose files were kept. */
export async function readAuthority({ certificate, key }: Issued): Promise<Authority> {
  const [bytes] = PemConverter.decode(key);
  if (!bytes) throw new Error("the authority's key is not in PEM");
  const privateKey = await webcrypto.subtle.importKey("pkcs8", bytes, algorithm, false, ["sign"]);
  return authorityOf(new X509Certificate(certificate), privateKey, key);
}

function authorityOf(certificate: X509Certificate, signingKey: webcrypto.CryptoKey, key: string): Authority {
  return {
    certificate: pem(certificate),
    key,
    issue: async ({ name, dnsNames, addresses, uses, notAfter }) => {
      const keys = await createKeys();
      const alternatives = [
        ...dnsNames.map((value) => ({ type: "dns" as const, value })),
        ...addresses.map((value) => ({ type: "ip" as const, value })),
      ];
      const usages = uses.map((use) => (use === "server" ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth));
      const issued = await X509CertificateGenerator.create({
        subject: `CN=${name}`,
        issuer: certificate.subject,
        publicKey: keys.publicKey,
        signingKey,
        notBefore: new Date(Math.min(Date.now(), notAfter.getTime()) - backdateMs),
        notAfter,
        signingAlgorithm: algorithm,
        extensions: [
          new BasicConstraintsExtension(false, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          new ExtendedKeyUsageExtension(usages),
          new SubjectAlternativeNameExtension(alternatives),
          await AuthorityKeyIdentifierExtension.create(certificate),
          await SubjectKeyIdentifierExtension.create(keys.publicKey),
        ],
      });
      return { certificate: pem(issued), key: await keyPem(keys.privateKey) };
    },
  };
}

const createKeys = (): Promise<webcrypto.CryptoKeyPair> => webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

const pem = (certificate: X509Certificate): string => `${certificate.toString("pem")}\n`;

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}
