// From which address somebody asks. Where proxies stand before us they say so in X-Forwarded-For, which anybody can write:
// it is believed as far as those say it whom the settings name.
import { BlockList, isIP } from "node:net";
import { StartupError } from "../backing/startup-error.ts";
import type { Environment } from "../settings.ts";

/** True for the address of a proxy of ours. */
export type TrustsProxy = (address: string) => boolean;

const setting = "ORDERMESH_TRUSTED_PROXIES";
const mappedPrefix = "::ffff:";

/**
 * From ORDERMESH_TRUSTED_PROXIES, a list of addresses and of networks such as 10.0.0.0/8; nobody where it is empty.
 *
 * @throws StartupError where an entry is neither.
 */
export function readTrustedProxies(env: Environment): TrustsProxy {
  const entries = (env["ORDERMESH_TRUSTED_PROXIES"] ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  const networks = new BlockList();
  for (const entry of entries) addNetwork(networks, entry);
  return (address) => entries.length > 0 && isIP(address) !== 0 && networks.check(address, familyOf(address));
}

function addNetwork(networks: BlockList, entry: string): void {
  const [address = "", prefix, ...more] = entry.split("/");
  const bits = familyOf(address) === "ipv6" ? 128 : 32;
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Infinity;
  if (isIP(address) === 0 || length > bits || more.length > 0) {
    throw new StartupError(
      `${setting} has "${entry}"; set it to a comma-separated list such as 10.0.0.0/8,192.0.2.7,2001:db8::/32.`,
    );
  }
  networks.addSubnet(address, length, familyOf(address));
}

const familyOf = (address: string): "ipv4" | "ipv6" => (address.includes(":") ? "ipv6" : "ipv4");

/**
 * The address of whom nobody we trust stands for: each proxy adds, at the end, the address from which it was asked. Where one
 * of ours says what is no address, it is taken for the client itself.
 *
 * @param peer Address at the other end of the connection.
 * @param forwardedFor Value of X-Forwarded-For.
 */
export function clientAddress(peer: string, forwardedFor: string | null | undefined, trusts: TrustsProxy): string {
  let address = plainAddress(peer);
  const hops = forwardedFor?.split(",") ?? [];
  while (hops.length > 0 && trusts(address)) {
    const hop = hopAddress(hops.pop()!);
    if (hop === undefined) return address;
    address = hop;
  }
  return address;
}

/** An entry of X-Forwarded-For, which some proxies write with a port. */
function hopAddress(entry: string): string | undefined {
  const text = entry.trim();
  const withPort = /^\[([^\]]+)\](?::\d+)?$|^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text);
  const address = plainAddress(withPort?.[1] ?? withPort?.[2] ?? text);
  return isIP(address) === 0 ? undefined : address;
}

/** Sockets that serve both families show an IPv4 address inside one of IPv6. */
const plainAddress = (address: string): string =>
  address.startsWith(mappedPrefix) && address.includes(".") ? address.slice(mappedPrefix.length) : address;

/** Whom an address stands for: with IPv6, everybody has a network of 64 bits at least, and may ask from any address in it. */
export function addressKey(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("%", 1)[0]!.toLowerCase().split("::");
  const groups = head.split(":").filter((group) => group !== "");
  // A "::" stands for all the groups that are missing.
  const behind = tail === undefined ? 0 : tail.split(":").filter((group) => group !== "").length + (tail.includes(".") ? 1 : 0);
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - groups.length - behind }, () => "0");
  const rest = tail === undefined ? [] : tail.split(":");
  return `${[...groups, ...zeros, ...rest]
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}
