// Under TLS the client has said in the handshake which HTTP it speaks (RFC 7301), so no byte need be looked at.
import type * as http2 from "node:http2";
import type * as https from "node:https";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Logger } from "#runtime/log.ts";

export const alpnProtocols = ["h2", "http/1.1"];

/**
 * Gives each connection of the https server to the server it is meant for, once its handshake is over. As without TLS, it
 * must be the one that listens.
 *
 * @returns the connections whose handshake is not over.
 */
export function splitByAlpn(options: { http1: https.Server; http2Server: http2.Http2Server; log: Logger }): ReadonlySet<Socket> {
  const { http1, http2Server, log } = options;
  const [serveHttp1] = http1.listeners("secureConnection");
  if (!serveHttp1) throw new Error("node:https does not listen to its own connections any more");
  http1.removeAllListeners("secureConnection");
  const undecided = new Set<Socket>();
  // A TLS socket does not tell on which socket it stands, but both have the same other end.
  const byPeer = new Map<string, Socket>();
  const forget = (peer: string): void => {
    const socket = byPeer.get(peer);
    byPeer.delete(peer);
    if (socket) undecided.delete(socket);
  };
  http1.on("connection", (socket: Socket) => {
    const peer = addressOf(socket);
    undecided.add(socket);
    byPeer.set(peer, socket);
    socket.once("close", () => {
      undecided.delete(socket);
      if (byPeer.get(peer) === socket) byPeer.delete(peer);
    });
  });
  http1.on("secureConnection", (socket: TLSSocket) => {
    forget(addressOf(socket));
    // One connection too many.
    if (socket.destroyed) return;
    if (socket.alpnProtocol === "h2") http2Server.emit("connection", socket);
    else Reflect.apply(serveHttp1, http1, [socket]);
  });
  http1.on("tlsClientError", (error: Error & { reason?: string }, socket) => {
    // A certificate that does not hold is told by the socket; the error is then only that it was closed.
    const reason = socket.authorizationError ?? error.reason ?? error.message;
    log.info({ reason: String(reason), peer: socket.remoteAddress }, "tls_handshake_refused");
  });
  return undecided;
}

const addressOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
