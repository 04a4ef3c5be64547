// Makes a certificate authority for development, certificates for every process, and what NATS needs to know them.
//   npm run certificates -- --out certs
//   npm run certificates -- --out certs --renew            new certificates of the same authority
//   npm run certificates -- --out certs --together orders,payments --host shop.example --days 30 --partitions 8
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { definitions } from "../services/mesh.ts";
import { createAuthority, readAuthority, type Authority } from "./certificates/authority.ts";
import { natsConfig } from "./certificates/nats-config.ts";
import { partiesOf, type Party } from "./certificates/parties.ts";
import { processSettings } from "./certificates/process-settings.ts";
import { isProgram } from "./command.ts";

const authorityDays = 3_650;
const dayMs = 86_400_000;

export interface CertificateOptions {
  folder: string;
  /** How long the certificates of processes hold; those of the authority hold ten years. */
  days: number;
  /** New certificates of the authority that is in the folder. */
  renew: boolean;
  together: readonly (readonly string[])[];
  hosts: readonly string[];
  partitions: number;
}

/** Writes the folder and answers who has got a certificate. Throws where something is there that it would overwrite. */
export async function writeCertificates(options: CertificateOptions): Promise<Party[]> {
  const folder = resolve(options.folder);
  const pathOf = (file: string): string => join(folder, file);
  const parties = partiesOf({ services: definitions, together: options.together, hosts: options.hosts });
  await mkdir(folder, { recursive: true });
  const authority = options.renew ? await keptAuthority(pathOf) : await newAuthority(pathOf);
  const notAfter = new Date(Date.now() + options.days * dayMs);
  for (const party of parties) {
    const { certificate, key } = await authority.issue({ ...party, notAfter });
    await replace(pathOf(`${party.name}.key`), key, 0o600);
    await replace(pathOf(`${party.name}.pem`), certificate, 0o644);
    if (party.isProcess) await replace(pathOf(`${party.name}.env`), processSettings(party, pathOf), 0o644);
  }
  const config = natsConfig({ parties, services: definitions, partitions: options.partitions, pathOf });
  await replace(pathOf("nats.conf"), config, 0o644);
  return parties;
}

async function newAuthority(pathOf: (file: string) => string): Promise<Authority> {
  if (existsSync(pathOf("ca.pem")) || existsSync(pathOf("ca.key"))) {
    throw new Error(`${pathOf("ca.pem")} is there already: name another folder, or add --renew to use that authority again.`);
  }
  const authority = await createAuthority({ days: authorityDays });
  // "wx" also refuses what has appeared since.
  await writeFile(pathOf("ca.key"), authority.key, { mode: 0o600, flag: "wx" });
  await writeFile(pathOf("ca.pem"), authority.certificate, { mode: 0o644, flag: "wx" });
  return authority;
}

async function keptAuthority(pathOf: (file: string) => string): Promise<Authority> {
  const [certificate, key] = await Promise.all(
    ["ca.pem", "ca.key"].map((file) =>
      readFile(pathOf(file), "utf8").catch(() => {
        throw new Error(`${pathOf(file)} cannot be read: --renew needs the authority that an earlier run has made there.`);
      }),
    ),
  );
  return readAuthority({ certificate: certificate ?? "", key: key ?? "" });
}

/** Whole or not at all: a process may read it at any moment. */
async function replace(path: string, text: string, mode: number): Promise<void> {
  const draft = `${path}.draft`;
  await writeFile(draft, text, { mode });
  await rename(draft, path);
}

function readOptions(): CertificateOptions {
  const { values } = parseArgs({
    options: {
      out: { type: "string" },
      days: { type: "string", default: "90" },
      renew: { type: "boolean", default: false },
      together: { type: "string", multiple: true, default: [] },
      host: { type: "string", multiple: true, default: [] },
      partitions: { type: "string", default: process.env["ORDERMESH_PARTITIONS"] || "4" },
    },
  });
  if (!values.out) throw new Error("Say where to write: npm run certificates -- --out DIR");
  return {
    folder: values.out,
    days: wholeNumber("--days", values.days, 3_650),
    renew: values.renew,
    together: values.together.map((list) => list.split(",").map((name) => name.trim())),
    hosts: values.host,
    partitions: wholeNumber("--partitions", values.partitions, 64),
  };
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new Error(`${name} is "${text}"; give a whole number from 1 to ${max}.`);
}

function report(parties: readonly Party[], { folder, days }: CertificateOptions): string {
  const at = resolve(folder);
  const processes = parties.filter(({ isProcess }) => isProcess).map(({ name }) => name);
  return [
    `${parties.length} certificates for ${days} days are in ${at}, their keys beside them. For development: the key of the`,
    "authority lies there too.",
    "",
    `  processes   node --env-file=${at}/<name>.env services/mesh.ts --only <name>`,
    `              <name> is one of ${processes.join(", ")}`,
    `  NATS        include "${at}/nats.conf" in the server's configuration, and NATS_URL=tls://<host>:4222`,
    `  PostgreSQL  ssl=on, ssl_cert_file=${at}/postgres.pem, ssl_key_file=${at}/postgres.key, ssl_ca_file=${at}/ca.pem,`,
    "              in pg_hba.conf only hostssl … clientcert=verify-ca",
    "",
    "Addresses of services begin with https:// then, as in ORDERMESH_ORDERS_URL. docs/security.md has the rest.",
    "",
  ].join("\n");
}

if (isProgram(import.meta.url)) {
  try {
    const options = readOptions();
    console.log(report(await writeCertificates(options), options));
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
