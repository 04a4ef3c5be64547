// PostgreSQL under TLS, by settings: they become parameters of the URL, which every connection is made with.
import { accessSync, constants } from "node:fs";
import { StartupError } from "./startup-error.ts";
import { errorReason } from "./error-details.ts";
import type { Environment } from "../settings.ts";

/**
 * DATABASE_URL, with sslmode=verify-full and the files of ORDERMESH_DATABASE_CA_FILE, _CERT_FILE and _KEY_FILE where they are
 * set: the server's certificate must be of that CA and name the host. The files are read at each connection, so that what
 * replaces them is used from the next one on. https://www.postgresql.org/docs/current/libpq-ssl.html
 *
 * @throws StartupError where they do not fit together, or to the URL.
 */
export function databaseUrlOf(env: Environment): string | undefined {
  const given = env["DATABASE_URL"] || undefined;
  const caFile = fileSetting(env, "ORDERMESH_DATABASE_CA_FILE");
  const certFile = fileSetting(env, "ORDERMESH_DATABASE_CERT_FILE");
  const keyFile = fileSetting(env, "ORDERMESH_DATABASE_KEY_FILE");
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new StartupError("Set ORDERMESH_DATABASE_CERT_FILE and ORDERMESH_DATABASE_KEY_FILE together, or neither.");
  }
  if (caFile === undefined && certFile === undefined) return given;
  const url = URL.parse(given ?? "");
  if (!url)
    throw new StartupError("ORDERMESH_DATABASE_…_FILE is set and DATABASE_URL is no URL: set it to that of a PostgreSQL.");
  const mode = url.searchParams.get("sslmode");
  if (mode !== null && mode !== "verify-full") {
    throw new StartupError(`DATABASE_URL says sslmode=${mode} and ORDERMESH_DATABASE_…_FILE asks for verify-full: take it out.`);
  }
  url.searchParams.set("sslmode", "verify-full");
  if (caFile) url.searchParams.set("sslrootcert", caFile);
  if (certFile) url.searchParams.set("sslcert", certFile);
  if (keyFile) url.searchParams.set("sslkey", keyFile);
  return url.href;
}

function fileSetting(env: Environment, name: string): string | undefined {
  const path = env[name] || undefined;
  if (path === undefined) return undefined;
  try {
    accessSync(path, constants.R_OK);
    return path;
  } catch (error) {
    throw new StartupError(`${name} cannot be read (${errorReason(error)}): set it to a file in PEM.`);
  }
}
