// Nobody takes all connections: each address has so many at once, and all together have so many.
import type { Server, Socket } from "node:net";
import type { Server as TlsServer, TLSSocket } from "node:tls";
import { numberSetting, type Environment } from "../settings.ts";

export interface ConnectionBounds {
  connectionsMax: number;
  connectionsPerAddressMax: number;
}

export const connectionsMax = 10_000;

/** From the setting of the port. A proxy in front is one address, so the bound can be set. */
export function readConnectionBounds(env: Environment, perAddressSetting: string): ConnectionBounds {
  const bounds = { fallback: 2_000, min: 1, max: 1_000_000 };
  return { connectionsMax, connectionsPerAddressMax: numberSetting(env, perAddressSetting, bounds) };
}

/** Closes what is above the bounds before a byte of it is read. */
export function boundConnections(server: Server, bounds: ConnectionBounds): void {
  const enter = createCounter(bounds);
  server.prependListener("connection", (socket: Socket) => admit(socket, enter));
}

/**
 * The same under TLS for a port at which known parties must get in whatever strangers do: those are not counted. Who it is shows in
 * the handshake. Of handshakes there are as many at once as one address may have connections, and for one more the oldest is cut: who
 * is known needs a moment for it, who only holds a place is in nobody's way.
 *
 * @param isKnown Asked once the handshake is over.
 */
export function boundStrangers(server: TlsServer, bounds: ConnectionBounds, isKnown: (socket: TLSSocket) => boolean): void {
  const enter = createCounter(bounds);
  // A TLS socket does not tell on which socket it stands, but both have the same other end.
  const handshakes = new Map<string, Socket>();
  const endOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
  server.prependListener("connection", (socket: Socket) => {
    const end = endOf(socket);
    handshakes.set(end, socket);
    socket.once("close", () => {
      if (handshakes.get(end) === socket) handshakes.delete(end);
    });
    if (handshakes.size <= bounds.connectionsPerAddressMax) return;
    const [oldest] = handshakes;
    if (!oldest) return;
    handshakes.delete(oldest[0]);
    oldest[1].destroy();
  });
  server.prependListener("secureConnection", (socket: TLSSocket) => {
    handshakes.delete(endOf(socket));
    if (!isKnown(socket)) admit(socket, enter);
  });
}

/** Takes a place for somebody at an address; undefined where there is none. Returns how to give it back. */
type Enter = (address: string) => (() => void) | undefined;

function createCounter({ connectionsMax: max, connectionsPerAddressMax: perAddressMax }: ConnectionBounds): Enter {
  const open = new Map<string, number>();
  let all = 0;
  return (address) => {
    const count = open.get(address) ?? 0;
    if (count >= perAddressMax || all >= max) return undefined;
    open.set(address, count + 1);
    all += 1;
    return () => {
      const left = (open.get(address) ?? 1) - 1;
      all -= 1;
      if (left === 0) open.delete(address);
      else open.set(address, left);
    };
  };
}

/** Destroys the socket where there is no place. */
function admit(socket: Socket, enter: Enter): void {
  const leave = enter(placeOf(socket.remoteAddress ?? ""));
  if (leave) socket.once("close", leave);
  else socket.destroy();
}

/** The first 64 bits of an IPv6 address: all others belong to whoever has those (RFC 4291, 2.5.4). */
export function placeOf(address: string): string {
  if (!address.includes(":") || address.includes(".")) return address;
  const [head = "", tail] = address.split("::");
  const [first, last] = [head, tail ?? ""].map((part) => (part === "" ? [] : part.split(":")));
  const missing = tail === undefined ? 0 : 8 - (first?.length ?? 0) - (last?.length ?? 0);
  return [...(first ?? []), ...Array.from({ length: missing }, () => "0"), ...(last ?? [])].slice(0, 4).join(":");
}
