import type { NodeConnectionOptions } from "@nats-io/transport-node";

/**
 * What a NATS URL asks of the client, which by itself would ignore credentials in it. Several servers are parted by commas;
 * credentials and scheme of the first hold for all. Throws TypeError when it is not a URL.
 */
export function natsConnectionOptions(url: string): NodeConnectionOptions {
  const addresses = url.split(",").map(parseAddress);
  const [first] = addresses;
  const user = decodeURIComponent(first?.username ?? "");
  const pass = decodeURIComponent(first?.password ?? "");
  return {
    servers: addresses.map(({ host }) => host),
    // A name without a password is how NATS URLs carry a token.
    ...(pass ? { user, pass } : user ? { token: user } : {}),
    ...(first?.protocol === "tls:" ? { tls: {} } : {}),
  };
}

function parseAddress(text: string): URL {
  const trimmed = text.trim();
  return new URL(trimmed.includes("://") ? trimmed : `nats://${trimmed}`);
}
