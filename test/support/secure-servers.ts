// PostgreSQL and NATS configured by the blocks of docs/security.md: TLS only, and whoever has no certificate is refused.
import { appendFile, chmod, chown, copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startChild } from "#runtime/backing/child.ts";
import { findNatsServer } from "#runtime/backing/nats-binary.ts";
import { postgresUser } from "#runtime/backing/postgres-user.ts";
import { startPostgres, type PostgresServer } from "#runtime/backing/postgres.ts";
import { writeCertificates, type CertificateOptions } from "../../tools/certificates.ts";
import { root } from "../../tools/command.ts";
import { freePorts } from "./ports.ts";
import { until } from "./until.ts";

const placeInText = "/etc/ordermesh/certs/";

/** The block of that label in docs/security.md. */
function block(label: string): string {
  const text = readFileSync(join(root, "docs/security.md"), "utf8");
  const found = new RegExp(`^\`\`\`${label.replace(".", "\\.")}\n([\\s\\S]*?)^\`\`\`$`, "m").exec(text)?.[1];
  if (found === undefined) throw new Error(`docs/security.md has no block ${label}`);
  return found;
}

export interface SecureFolder {
  path: string;
  certificates: string;
  remove(): Promise<void>;
}

/** A folder with what `npm run certificates` writes. */
export async function secureFolder(change: Partial<CertificateOptions> = {}): Promise<SecureFolder> {
  const path = await mkdtemp(join(tmpdir(), "ordermesh-secure-"));
  // As root, PostgreSQL runs as a user who must be able to come this far.
  await chmod(path, 0o755);
  const certificates = join(path, "certificates");
  const options = { folder: certificates, days: 1, renew: false, together: [], hosts: [], partitions: 4, ...change };
  await writeCertificates(options);
  return { path, certificates, remove: () => rm(path, { recursive: true, force: true }) };
}

export interface SecureServer {
  url: string;
  stop(): Promise<void>;
}

/** A nats-server whose configuration is what a reader of docs/security.md would write. */
export async function startSecureNats({ path, certificates }: SecureFolder): Promise<SecureServer> {
  const [port] = await freePorts(1);
  const storeFolder = join(path, "nats");
  const reports = join(storeFolder, "ports");
  await mkdir(reports, { recursive: true });
  const configFile = join(storeFolder, "server.conf");
  const config = block("nats-server.conf")
    .replace("0.0.0.0:4222", `127.0.0.1:${port}`)
    .replace('"/data"', JSON.stringify(storeFolder))
    // The server takes an include from beside itself.
    .replace(placeInText, "../certificates/");
  await writeFile(configFile, `${config}ports_file_dir: ${JSON.stringify(reports)}\n`);
  const child = startChild({
    command: (await findNatsServer({})).path,
    args: ["--config", configFile],
    env: { PATH: process.env["PATH"] ?? "" },
    workingFolder: certificates,
    stopSignal: "SIGTERM",
  });
  await until(() => child.hasExited() || child.logTail().includes("Server is ready"), { timeoutMs: 20_000 });
  if (child.hasExited()) throw new Error(`nats-server did not start:\n${child.logTail()}`);
  return { url: `tls://127.0.0.1:${port}`, stop: child.stop };
}

/** PostgreSQL that answers under TLS only, and there only to who has a certificate and the password. */
export async function startSecurePostgres({ path, certificates }: SecureFolder): Promise<SecureServer> {
  const dataFolder = join(path, "postgres");
  const start = (): Promise<PostgresServer> => startPostgres({ dataFolder, durable: false });
  // The first start makes the folder, in which its configuration is then changed.
  await (await start()).stop();
  for (const file of ["postgres.pem", "postgres.key", "ca.pem"]) {
    const copy = join(dataFolder, file);
    await copyFile(join(certificates, file), copy);
    // The server takes a key only from its own user, and only where nobody else can read it.
    if (postgresUser) await chown(copy, postgresUser.uid, postgresUser.gid);
    await chmod(copy, 0o600);
  }
  await appendFile(join(dataFolder, "postgresql.conf"), block("postgresql.conf").replaceAll(placeInText, ""));
  await writeFile(join(dataFolder, "pg_hba.conf"), block("pg_hba.conf"));
  const server = await start();
  return { url: server.url(), stop: server.stop };
}
