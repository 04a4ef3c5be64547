// As whom we connect to NATS and whom we trust there, beyond what its URL says.
import { StartupError } from "./startup-error.ts";
import { choiceSetting, type Environment } from "../settings.ts";

export interface NatsAccess {
  /** PEM files, read at each connection: what replaces them is used from the next one on. */
  tls?: { caFile?: string; certFile?: string; keyFile?: string; handshakeFirst: boolean };
  user?: { name: string; password: string };
  /** A file as nsc writes it, with a JWT and the seed of its nkey; or one with the seed alone. */
  credentialsFile?: string;
  nkeyFile?: string;
  /** Answers come to subjects below it, so that the server can keep others from listening there. */
  inboxPrefix?: string;
}

const inboxPattern = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;

/**
 * Reads the settings ORDERMESH_NATS_….
 *
 * @throws StartupError where they do not fit together.
 */
export function readNatsAccess(env: Environment): NatsAccess {
  const setting = (name: string): string | undefined => env[name] || undefined;
  const [caFile, certFile] = [setting("ORDERMESH_NATS_CA_FILE"), setting("ORDERMESH_NATS_CERT_FILE")];
  const keyFile = setting("ORDERMESH_NATS_KEY_FILE");
  const [user, password] = [setting("ORDERMESH_NATS_USER"), setting("ORDERMESH_NATS_PASSWORD")];
  const [credentialsFile, nkeyFile] = [setting("ORDERMESH_NATS_CREDENTIALS_FILE"), setting("ORDERMESH_NATS_NKEY_FILE")];
  const inboxPrefix = setting("ORDERMESH_NATS_INBOX_PREFIX");
  assertPair("ORDERMESH_NATS_CERT_FILE", certFile, "ORDERMESH_NATS_KEY_FILE", keyFile);
  assertPair("ORDERMESH_NATS_USER", user, "ORDERMESH_NATS_PASSWORD", password);
  if ([user, credentialsFile, nkeyFile].filter((given) => given !== undefined).length > 1) {
    throw new StartupError(
      "Set one of ORDERMESH_NATS_USER, ORDERMESH_NATS_CREDENTIALS_FILE and ORDERMESH_NATS_NKEY_FILE, not several.",
    );
  }
  if (inboxPrefix !== undefined && !inboxPattern.test(inboxPrefix)) {
    throw new StartupError(`ORDERMESH_NATS_INBOX_PREFIX is "${inboxPrefix}"; set it to a subject such as _INBOX.orders.`);
  }
  const handshake = choiceSetting(env, "ORDERMESH_NATS_HANDSHAKE", {
    fallback: "tls_first",
    choices: ["tls_first", "server_first"],
  });
  const tls = { ...given({ caFile, certFile, keyFile }), handshakeFirst: handshake === "tls_first" };
  return {
    ...(caFile || certFile ? { tls } : {}),
    ...(user && password ? { user: { name: user, password } } : {}),
    ...given({ credentialsFile, nkeyFile, inboxPrefix }),
  };
}

function assertPair(one: string, first: string | undefined, other: string, second: string | undefined): void {
  if ((first === undefined) !== (second === undefined)) throw new StartupError(`Set ${one} and ${other} together, or neither.`);
}

/** Without what is undefined. */
function given<Names extends string>(values: Record<Names, string | undefined>): Partial<Record<Names, string>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<Record<Names, string>>;
}
