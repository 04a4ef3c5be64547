// node:http2 answers HTTP/1.1 only under TLS, so on a cleartext port the first bytes of a connection decide.
import type * as http from "node:http";
import type * as http2 from "node:http2";
import type { Socket } from "node:net";

/** How HTTP/2 with prior knowledge begins (RFC 9113, 3.4). No method of HTTP/1.1 begins so. */
const prefaceStart = Buffer.from("PRI");

/**
 * Gives each connection of the http1 server to the server it is meant for. http1 must be the one that listens:
 * only then does Node keep its list of connections, for timeouts and for closing.
 *
 * @returns the connections that have said nothing yet; they are cut after timeoutMs milliseconds.
 */
export function splitByFirstBytes(options: {
  http1: http.Server;
  http2Server: http2.Http2Server;
  timeoutMs: number;
}): ReadonlySet<Socket> {
  const { http1, http2Server, timeoutMs } = options;
  const [serveHttp1] = http1.listeners("connection");
  if (!serveHttp1) throw new Error("node:http does not listen to its own connections any more");
  http1.removeAllListeners("connection");
  const undecided = new Set<Socket>();
  http1.on("connection", (socket: Socket) => {
    undecided.add(socket);
    const forget = readFirstBytes(socket, { timeoutMs }, (isHttp2) => {
      undecided.delete(socket);
      // An http server leaves its sockets half open, and http2 would never hear that the client has gone.
      socket.allowHalfOpen = !isHttp2;
      if (isHttp2) http2Server.emit("connection", socket);
      else Reflect.apply(serveHttp1, http1, [socket]);
    });
    socket.once("close", () => {
      forget();
      undecided.delete(socket);
    });
  });
  return undecided;
}

/** Calls back once it is clear which protocol the socket speaks, with all bytes still to be read. Returns a function that gives up. */
function readFirstBytes(socket: Socket, { timeoutMs }: { timeoutMs: number }, decided: (isHttp2: boolean) => void): () => void {
  let seen: Buffer = Buffer.alloc(0);
  const cut = (): void => {
    socket.destroy();
  };
  const timer = setTimeout(cut, timeoutMs);
  const stop = (): void => {
    clearTimeout(timer);
    socket.off("readable", read);
    socket.off("error", cut);
    socket.off("end", cut);
  };
  const read = (): void => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    seen = Buffer.concat([seen, chunk]);
    const compared = Math.min(seen.length, prefaceStart.length);
    const couldBeHttp2 = seen.subarray(0, compared).equals(prefaceStart.subarray(0, compared));
    if (couldBeHttp2 && compared < prefaceStart.length) return;
    stop();
    socket.unshift(seen);
    decided(couldBeHttp2);
  };
  socket.on("error", cut);
  // Else the other half would stay open, as an http server's sockets do, and hold a place until the time is over.
  socket.on("end", cut);
  socket.on("readable", read);
  return stop;
}
