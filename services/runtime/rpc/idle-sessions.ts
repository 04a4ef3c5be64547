// A connection of HTTP/2 on which nothing is called is ended after a while, as those of HTTP/1.1 are: whoever opens them and leaves
// them holds nothing for long.
import type * as http2 from "node:http2";
import { sayGoodbye } from "./drain.ts";

/** What a client has to answer our ping before its connection is cut. Milliseconds. */
const answerMs = 5_000;

/** Ends sessions that were silent for so many milliseconds and have no call open; a quiet stream is a call. */
export function endIdleSessions(server: http2.Http2Server, idleMs: number): void {
  server.on("session", (session) => {
    let calls = 0;
    session.on("stream", (stream) => {
      calls += 1;
      stream.once("close", () => (calls -= 1));
    });
    session.setTimeout(idleMs, () => {
      if (calls > 0) return;
      sayGoodbye(session);
      const cut = setTimeout(() => session.destroy(), answerMs).unref();
      session.once("close", () => clearTimeout(cut));
    });
  });
}
