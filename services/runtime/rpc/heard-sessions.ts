// Connections of HTTP/2 whose errors end no process.
import type { Http2SessionManager } from "@connectrpc/connect-node";

type Sessions = Pick<Http2SessionManager, "authority" | "request" | "notifyResponseByteRead">;

/**
 * The manager ends a connection after GOAWAY with an error, and stops to listen to it when a call or close() comes before
 * that error is told: unheard, it would end the process. Calls hear of it from their streams.
 */
export function withErrorsHeard(sessions: Sessions): Sessions {
  const heard = new WeakSet<object>();
  return {
    authority: sessions.authority,
    notifyResponseByteRead: (stream) => sessions.notifyResponseByteRead(stream),
    request: async (...call) => {
      const stream = await sessions.request(...call);
      const { session } = stream;
      if (session && !heard.has(session)) {
        heard.add(session);
        session.on("error", () => {});
      }
      return stream;
    },
  };
}
