// Whether a port speaks TLS, with which files, and whether its callers must show a certificate of their own.
import { StartupError } from "../backing/startup-error.ts";
import { choiceSetting, numberSetting, type Environment } from "../settings.ts";

/** The settings of one port. */
export interface TlsNames {
  /** For logs. */
  port: "rpc" | "edge";
  certFile: string;
  keyFile: string;
  caFile: string;
  clients: string;
}

export const rpcTlsNames: TlsNames = {
  port: "rpc",
  certFile: "ORDERMESH_TLS_CERT_FILE",
  keyFile: "ORDERMESH_TLS_KEY_FILE",
  caFile: "ORDERMESH_TLS_CA_FILE",
  clients: "ORDERMESH_TLS_CLIENTS",
};

export const edgeTlsNames: TlsNames = {
  port: "edge",
  certFile: "ORDERMESH_EDGE_TLS_CERT_FILE",
  keyFile: "ORDERMESH_EDGE_TLS_KEY_FILE",
  caFile: "ORDERMESH_EDGE_TLS_CA_FILE",
  clients: "ORDERMESH_EDGE_TLS_CLIENTS",
};

export interface TlsSettings {
  port: TlsNames["port"];
  /** PEM files of our own certificate, with those that lead to the CA, and of its key. Without them we only verify others. */
  identity?: { certFile: string; keyFile: string };
  /** PEM file of the certificates that we trust; those of the system where it is absent. */
  caFile?: string;
  /** "required" refuses callers without a certificate of the CA. */
  clients: "none" | "required";
  /** How often the files are looked at. Milliseconds. */
  checkMs: number;
}

/**
 * Undefined where no file is set.
 *
 * @throws StartupError where the settings do not fit together.
 */
export function readTlsSettings(env: Environment, names: TlsNames): TlsSettings | undefined {
  const certFile = env[names.certFile] || undefined;
  const keyFile = env[names.keyFile] || undefined;
  const caFile = env[names.caFile] || undefined;
  const clients = choiceSetting(env, names.clients, { fallback: "none", choices: ["none", "required"] });
  const checkSeconds = numberSetting(env, "ORDERMESH_TLS_CHECK_SECONDS", { fallback: 10, min: 1, max: 86_400 });
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new StartupError(`Set ${names.certFile} and ${names.keyFile} together, or neither.`);
  }
  if (clients === "required" && (certFile === undefined || caFile === undefined)) {
    throw new StartupError(
      `${names.clients}=required needs ${names.certFile}, ${names.keyFile} and ${names.caFile}: set them too.`,
    );
  }
  if (certFile === undefined && caFile === undefined) return undefined;
  return {
    port: names.port,
    ...(certFile && keyFile ? { identity: { certFile, keyFile } } : {}),
    ...(caFile ? { caFile } : {}),
    clients,
    checkMs: checkSeconds * 1_000,
  };
}
