// Where a call comes from, as far as those on its way may be believed.
import { BlockList, isIP } from "node:net";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { textSetting, type Environment } from "#runtime/settings.ts";

export const forwardedForHeader = "x-forwarded-for";
/** The peer of a call that does not leave the process. */
export const insidePeer = "process";

/** True for a peer whose word about who called it is taken. */
export type TrustsPeer = (peer: string) => boolean;

/** Of others, only this process. */
export const trustsInside: TrustsPeer = (peer) => peer === insidePeer;

const setting = "ORDERMESH_TRUSTED_PROXIES";

/**
 * From ORDERMESH_TRUSTED_PROXIES: the addresses of load balancers, edges and services whose X-Forwarded-For is believed, such
 * as "10.0.0.7,10.1.0.0/16". Where it is not set nobody's is, and what counts is the other end of the connection.
 *
 * @throws StartupError where an entry is neither an address nor a network.
 */
export function readTrustedProxies(env: Environment): TrustsPeer {
  const text = textSetting(env, setting, "");
  if (text === "") return trustsInside;
  const trusted = new BlockList();
  for (const entry of text.split(",")) addEntry(trusted, entry.trim());
  return (peer) => trustsInside(peer) || (isIP(peer) !== 0 && trusted.check(peer, familyOf(peer)));
}

function addEntry(trusted: BlockList, entry: string): void {
  const [address = "", prefix, ...rest] = entry.split("/");
  const bits = isIP(address) === 4 ? 32 : 128;
  const isNetwork = prefix !== undefined && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits;
  if (isIP(address) === 0 || rest.length > 0 || (prefix !== undefined && !isNetwork)) {
    throw new StartupError(`${setting} has "${entry}"; set it to addresses and networks, such as 10.0.0.7,10.1.0.0/16.`);
  }
  if (prefix === undefined) trusted.addAddress(address, familyOf(address));
  else trusted.addSubnet(address, Number(prefix), familyOf(address));
}

const familyOf = (address: string): "ipv4" | "ipv6" => (isIP(address) === 6 ? "ipv6" : "ipv4");

/**
 * The address of whoever called first. Each proxy adds the address that called it at the end of X-Forwarded-For, so it is read
 * from there for as long as what is reached is trusted; what stands before may be made up.
 */
export function clientAddress(peer: string, forwardedFor: string | null | undefined, trusts: TrustsPeer): string {
  const hops = (forwardedFor ?? "").split(",").map((hop) => withoutMapping(hop.trim()));
  let address = withoutMapping(peer);
  for (let hop = hops.pop(); hop !== undefined && isIP(hop) !== 0 && trusts(address); hop = hops.pop()) address = hop;
  return address;
}

/** A socket for both families shows IPv4 as ::ffff:192.0.2.1 (RFC 4291, section 2.5.5.2). */
const withoutMapping = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, "");
