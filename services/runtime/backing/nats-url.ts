import { readFileSync } from "node:fs";
import { credsAuthenticator, nkeyAuthenticator, type NodeConnectionOptions } from "@nats-io/transport-node";
import type { NatsAccess } from "./nats-access.ts";

/**
 * What a NATS URL asks of the client, which by itself would ignore credentials in it, and what the settings add. Several
 * servers are parted by commas; credentials and scheme of the first hold for all. Throws TypeError when it is not a URL.
 */
export function natsConnectionOptions(url: string, access: NatsAccess = {}): NodeConnectionOptions {
  const addresses = url.split(",").map(parseAddress);
  const [first] = addresses;
  const inboxPrefix = inboxPrefixOf(url, access);
  return {
    servers: addresses.map(({ host }) => host),
    ...credentialsOf(first, access),
    ...(access.tls ? { tls: access.tls } : first?.protocol === "tls:" ? { tls: {} } : {}),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
  };
}

/** As it is set; else one of the user's own, so that permissions of the server can tell the users' answers apart. */
export function inboxPrefixOf(url: string, { inboxPrefix, user }: NatsAccess): string | undefined {
  if (inboxPrefix !== undefined) return inboxPrefix;
  const [first] = url.split(",").map(parseAddress);
  const name = user?.name ?? (first?.password ? decodeURIComponent(first.username) : "");
  return /^[A-Za-z0-9_-]+$/.test(name) ? `_INBOX.${name}` : undefined;
}

function credentialsOf(url: URL | undefined, access: NatsAccess): NodeConnectionOptions {
  const { credentialsFile, nkeyFile } = access;
  // Read again at each connection: they expire, and are replaced.
  if (credentialsFile) return { authenticator: credsAuthenticator(() => readFileSync(credentialsFile)) };
  if (nkeyFile) return { authenticator: nkeyAuthenticator(() => seedIn(nkeyFile)) };
  if (access.user) return { user: access.user.name, pass: access.user.password };
  const user = decodeURIComponent(url?.username ?? "");
  const pass = decodeURIComponent(url?.password ?? "");
  // A name without a password is how NATS URLs carry a token.
  return pass ? { user, pass } : user ? { token: user } : {};
}

const seedIn = (file: string): Uint8Array => new TextEncoder().encode(readFileSync(file, "utf8").trim());

function parseAddress(text: string): URL {
  const trimmed = text.trim();
  return new URL(trimmed.includes("://") ? trimmed : `nats://${trimmed}`);
}
