// Nobody takes all connections: each address has so many at once.
import type { Server } from "node:http";
import type { Socket } from "node:net";

/** Closes what is above the bound before a byte of it is read. A proxy in front is one address, so the bound can be set. */
export function boundConnectionsPerAddress(server: Server, connectionsMax: number): void {
  const open = new Map<string, number>();
  server.prependListener("connection", (socket: Socket) => {
    const address = placeOf(socket.remoteAddress ?? "");
    const count = (open.get(address) ?? 0) + 1;
    open.set(address, count);
    socket.once("close", () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left === 0) open.delete(address);
      else open.set(address, left);
    });
    if (count > connectionsMax) socket.destroy();
  });
}

/** The first 64 bits of an IPv6 address: all others belong to whoever has those (RFC 4291, 2.5.4). */
export function placeOf(address: string): string {
  if (!address.includes(":") || address.includes(".")) return address;
  const [head = "", tail] = address.split("::");
  const [first, last] = [head, tail ?? ""].map((part) => (part === "" ? [] : part.split(":")));
  const missing = tail === undefined ? 0 : 8 - (first?.length ?? 0) - (last?.length ?? 0);
  return [...(first ?? []), ...Array.from({ length: missing }, () => "0"), ...(last ?? [])].slice(0, 4).join(":");
}
