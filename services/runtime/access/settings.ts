// What the parties of the mesh must agree on to trust each other: who gives tokens, the secret that all of them share, and the
// secret by which a service gets tokens for itself.
import { createHmac, hkdfSync, randomBytes } from "node:crypto";
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { numberSetting, textSetting, type Environment } from "#runtime/settings.ts";

const secretCharactersMin = 32;

/**
 * The claim "iss" of all tokens: the origin at which clients reach the edge (RFC 8414, section 2).
 *
 * @throws StartupError where ORDERMESH_ISSUER is no origin.
 */
export function readIssuer(env: Environment): string {
  const given = env["ORDERMESH_ISSUER"];
  if (given === undefined || given === "") {
    return `http://127.0.0.1:${numberSetting(env, "ORDERMESH_EDGE_PORT", { fallback: 8080, min: 0, max: 65_535 })}`;
  }
  const url = URL.parse(given);
  if (url && ["http:", "https:"].includes(url.protocol) && url.origin === given) return given;
  throw new StartupError(
    `ORDERMESH_ISSUER is "${given}"; set it to the origin of the edge, such as https://api.example.com, without a slash at its end.`,
  );
}

/**
 * The secret of the installation: ORDERMESH_SECRET, or one that is made once and kept in the data folder, from where every
 * process that has the same folder reads it.
 *
 * @throws StartupError where it is too short, or can be neither read nor kept.
 */
export function readSecret(env: Environment): string {
  const given = env["ORDERMESH_SECRET"];
  if (given !== undefined && given !== "") {
    if (given.length >= secretCharactersMin) return given;
    throw new StartupError(`ORDERMESH_SECRET has ${given.length} characters; give it ${secretCharactersMin} or more, by chance.`);
  }
  const path = join(resolve(textSetting(env, "ORDERMESH_DATA_DIR", ".ordermesh")), "secret");
  try {
    return readSecretFile(path) ?? makeSecretFile(path);
  } catch (error) {
    if (error instanceof StartupError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? "unknown";
    throw new StartupError(
      `The secret ${path} can be neither read nor made (${code}): set ORDERMESH_SECRET, or mend the folder.`,
    );
  }
}

function readSecretFile(path: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  if (text.length >= secretCharactersMin) return text;
  throw new StartupError(
    `The secret ${path} is damaged: put back the one that was there, or remove it and the database with it to begin anew.`,
  );
}

/** Written whole under a name of its own and then linked: of several that start at once one wins, and all read the same. */
function makeSecretFile(path: string): string {
  // Others may pass: PostgreSQL, which may come to live in this folder, runs as another user where we are root.
  mkdirSync(join(path, ".."), { recursive: true, mode: 0o711 });
  const draft = `${path}.${process.pid}.${randomBytes(6).toString("hex")}`;
  writeFileSync(draft, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  try {
    // The mode above is cut by the umask, which may leave even the owner without.
    chmodSync(draft, 0o600);
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(draft);
  }
  const secret = readSecretFile(path);
  if (secret === undefined) throw new StartupError(`The secret ${path} has gone while we started: start again.`);
  return secret;
}

/** A key for one purpose, made of the secret (HKDF, RFC 5869): who learns one key learns neither the secret nor another. */
export function keyFor(purpose: string, env: Environment): Buffer {
  return Buffer.from(hkdfSync("sha256", readSecret(env), "", `ordermesh ${purpose}`, 32));
}

/** ORDERMESH_ORDERS_CLIENT_SECRET for "orders". */
export const clientSecretSetting = (serviceName: string): string => `ORDERMESH_${serviceName.toUpperCase()}_CLIENT_SECRET`;

/** What the service proves itself with when it gets a token; its client id is its name. */
export function clientSecretOf(serviceName: string, env: Environment): string {
  const given = textSetting(env, clientSecretSetting(serviceName), "");
  if (given === "") return createHmac("sha256", keyFor("service clients", env)).update(serviceName).digest("base64url");
  if (given.length >= secretCharactersMin) return given;
  throw new StartupError(
    `${clientSecretSetting(serviceName)} has ${given.length} characters; give it ${secretCharactersMin} or more, by chance.`,
  );
}
