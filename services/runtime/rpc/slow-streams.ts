// HTTP/2 has no time-outs of its own: a request that drips in, or an answer that nobody reads, would hold its call's place for ever,
// and with it that of somebody else.
import * as http2 from "node:http2";

/** Milliseconds. */
export interface StreamTimes {
  /** For the whole of a request of one message; of several, for one after the other. */
  bodyMs: number;
  /** How long an answer may wait to be read. */
  stalledMs: number;
}

/** Cuts the request where it takes too long to come, and its answer where it is not read. */
export function cutSlowStream({ stream }: http2.Http2ServerRequest, isOneMessage: boolean, times: StreamTimes): void {
  const cut = (): void => stream.close(http2.constants.NGHTTP2_CANCEL);
  if (!isOneMessage) stream.setTimeout(times.bodyMs, cut);
  const whole = isOneMessage ? setTimeout(cut, times.bodyMs) : undefined;
  const arrived = (): void => {
    clearTimeout(whole);
    if (stream.destroyed) return;
    // A stream that has nothing to say is not stalled: each write begins the time anew.
    stream.off("timeout", cut);
    stream.setTimeout(times.stalledMs);
    stream.on("timeout", () => {
      if (stream.writableLength > 0) cut();
    });
  };
  stream.once("end", arrived);
  stream.once("close", () => clearTimeout(whole));
}
