// Where webhooks may go: out to the Internet, and never into our own network (OWASP: server-side request forgery).
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

const globalUnicast = ipaddr.IPv6.parse("2000::");
const globalUnicastBits = 3;

/**
 * Whether an address is one of the public Internet: no private, loopback, link-local, multicast, unspecified, shared (CGNAT),
 * reserved or documentation address. Of IPv6 only what is given out for the Internet (2000::/3, RFC 4291, section 2.4), which leaves
 * out what stands for an IPv4 address, too.
 */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false;
  const address = ipaddr.parse(text);
  if (address.range() !== "unicast") return false;
  return address instanceof ipaddr.IPv6 ? address.match(globalUnicast, globalUnicastBits) : true;
}

export interface UrlProblem {
  reason: "URL_INVALID" | "ADDRESS_NOT_ALLOWED";
  message: string;
}

const urlCharactersMax = 2_000;

/** What is wrong with the URL of an endpoint, without asking anybody; a name is looked at when it is called. */
export function urlProblem(text: string, { allowsPrivate }: { allowsPrivate: boolean }): UrlProblem | undefined {
  const invalid = (message: string): UrlProblem => ({ reason: "URL_INVALID", message });
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) return invalid("url is no address that begins with http:// or https://");
  if (text.length > urlCharactersMax) return invalid(`url has ${text.length} characters, ${urlCharactersMax} at most`);
  if (url.username !== "" || url.password !== "")
    return invalid("url has a user or a password; calls are signed, so leave it out");
  const host = hostOf(url);
  if (allowsPrivate || isIP(host) === 0 || isPublicAddress(host)) return undefined;
  return { reason: "ADDRESS_NOT_ALLOWED", message: `${host} is no address of the public Internet` };
}

export const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, "");
