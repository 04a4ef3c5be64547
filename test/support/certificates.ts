// Certificates for tests: of an authority of their own, in files, as processes are given them.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TlsSettings } from "#runtime/tls/settings.ts";
import { createAuthority, type Authority, type Issued, type Subject } from "../../tools/certificates/authority.ts";

export const hourMs = 3_600_000;

export interface CertificateFolder {
  authority: Authority;
  issue(change: Partial<Subject>): Promise<Issued>;
  /** Writes what a process is given; again under the same name to replace it. */
  write(name: string, issued: Issued, ca?: string): Promise<TlsSettings>;
  remove(): Promise<void>;
}

export async function certificateFolder(): Promise<CertificateFolder> {
  const folder = await mkdtemp(join(tmpdir(), "ordermesh-certificates-"));
  const authority = await createAuthority({ days: 1 });
  return {
    authority,
    issue: (change) => issueTo(authority, change),
    write: async (name, { certificate, key }, ca = authority.certificate) => {
      const path = (ending: string): string => join(folder, `${name}.${ending}`);
      await Promise.all([writeFile(path("pem"), certificate), writeFile(path("key"), key), writeFile(path("ca.pem"), ca)]);
      const identity = { certFile: path("pem"), keyFile: path("key") };
      return { port: "rpc", identity, caFile: path("ca.pem"), clients: "required", checkMs: 50 };
    },
    remove: () => rm(folder, { recursive: true }),
  };
}

/** For a process called catalog on this machine, unless told otherwise. */
export function issueTo(authority: Authority, change: Partial<Subject>): Promise<Issued> {
  return authority.issue({
    name: "catalog",
    dnsNames: ["catalog.ordermesh", "localhost"],
    addresses: ["127.0.0.1"],
    uses: ["server", "client"],
    notAfter: new Date(Date.now() + hourMs),
    ...change,
  });
}
