// Closing without losing a call: nothing new is accepted, what runs may finish, and only then is anything cut.
import type * as http from "node:http";
import type * as http2 from "node:http2";
import type { Socket } from "node:net";

/** What ended calls get to send their last words before the connections are cut. Milliseconds. */
const lastWordsMs = 250;

export type Drain = (options: { graceMs: number; endStreams: () => void }) => Promise<void>;

/** Follows the connections of both servers from now on. */
export function createDrain(servers: {
  http1: http.Server;
  http2Server: http2.Http2Server;
  undecided: ReadonlySet<Socket>;
}): Drain {
  const { http1, http2Server, undecided } = servers;
  const sessions = new Set<http2.ServerHttp2Session>();
  const responses = new Set<http.ServerResponse>();
  // A session that has closed may leave its socket half open, for as long as the client keeps its own end.
  const sockets = new Set<Socket>();
  let draining = false;
  http1.prependListener("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  http2Server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    if (draining) sayGoodbye(session);
  });
  // Before the handler, so that its answer to a call that arrives late already says that the connection ends.
  http1.prependListener("request", (_request, response) => {
    response.shouldKeepAlive &&= !draining;
    responses.add(response);
    response.once("close", () => {
      responses.delete(response);
      // An answer that began before the end was announced leaves an idle connection behind.
      if (draining) setImmediate(() => http1.closeIdleConnections());
    });
  });

  return async ({ graceMs, endStreams }) => {
    draining = true;
    // Resolves when the last connection has gone, those of HTTP/2 included.
    const closed = new Promise<void>((resolve) => {
      http1.close(() => resolve());
    });
    for (const socket of undecided) socket.destroy();
    for (const session of sessions) sayGoodbye(session);
    for (const response of responses) response.shouldKeepAlive = false;
    const cut = (): void => {
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
    };
    let timer = setTimeout(() => {
      endStreams();
      timer = setTimeout(cut, lastWordsMs);
    }, graceMs);
    await closed;
    clearTimeout(timer);
  };
}

/**
 * A round trip first, so that a call that is on its way is served. No GOAWAY before it: after one nghttp2 ignores new calls
 * whatever their number, and where no call runs it does not read the answer to the ping either.
 */
export function sayGoodbye(session: http2.ServerHttp2Session): void {
  if (session.closed || session.destroyed) return;
  const sent = session.ping(() => session.close());
  if (!sent) session.close();
}
