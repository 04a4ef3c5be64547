// Who is at the other end of a connection: the names of the certificate that was verified, else the address.
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { certificateDomain } from "./options.ts";

const peerOfSocket = Symbol("peer");

interface KnownSocket extends Socket {
  [peerOfSocket]?: string;
}

/** Remembers who was verified in the handshake; a certificate is not parsed at every call. True for one of the mesh. */
export function rememberPeer(socket: TLSSocket): boolean {
  const names = socket.authorized ? namesOf(socket.getPeerX509Certificate()?.subjectAltName ?? "") : [];
  if (names.length > 0) (socket as KnownSocket)[peerOfSocket] = names.join(",");
  return names.length > 0;
}

/** Such as "orders.ordermesh", several parted by commas, or an IP address where no certificate was verified. */
export function peerOf(socket: Socket): string {
  return (socket as KnownSocket)[peerOfSocket] ?? socket.remoteAddress ?? "unknown";
}

/** Our names among the alternative names, as node:crypto prints them. One that holds a comma is quoted: it is none of ours. */
export function namesOf(subjectAltName: string): string[] {
  const unquoted = subjectAltName.replaceAll(/"(?:[^"\\]|\\.)*"/g, "");
  const pattern = new RegExp(`^DNS:([a-z][a-z0-9-]*\\.${certificateDomain})$`);
  return unquoted.split(", ").flatMap((entry) => pattern.exec(entry)?.[1] ?? []);
}
