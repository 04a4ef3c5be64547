// Which HTTP a server speaks, found out by speaking with it.
import { connect as connectHttp2 } from "node:http2";
import { isIP } from "node:net";
import { connect as connectTls } from "node:tls";

export type HttpVersion = "1.1" | "2";

const probeMs = 3_000;

/** @throws Error with what the system says, where nobody answers. */
export function httpVersionOf(url: URL): Promise<HttpVersion> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpVersion>();
  const close = url.protocol === "https:" ? askTls(url, resolve, reject) : askCleartext(url, resolve, reject);
  const timer = setTimeout(() => reject(new Error(`no answer within ${probeMs / 1_000} s`)), probeMs);
  return promise.finally(() => {
    clearTimeout(timer);
    close();
  });
}

type Resolve = (version: HttpVersion) => void;
type Reject = (error: Error) => void;

/** Under TLS both sides say it: ALPN, RFC 7301. */
function askTls(url: URL, resolve: Resolve, reject: Reject): () => void {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const socket = connectTls({
    host,
    port: Number(url.port || 443),
    // The name is never an address (RFC 6066, section 3).
    ...(isIP(host) ? {} : { servername: host }),
    ALPNProtocols: ["h2", "http/1.1"],
  });
  socket.once("secureConnect", () => resolve(socket.alpnProtocol === "h2" ? "2" : "1.1"));
  socket.on("error", reject);
  return () => socket.destroy();
}

/** A server of HTTP/2 answers its preface with settings (RFC 9113, section 3.4); one of HTTP/1.1 with an error, or it hangs up. */
function askCleartext(url: URL, resolve: Resolve, reject: Reject): () => void {
  const session = connectHttp2(url.origin);
  let isConnected = false;
  session.once("connect", () => (isConnected = true));
  session.once("remoteSettings", () => resolve("2"));
  session.on("error", (error: Error) => (isConnected ? resolve("1.1") : reject(error)));
  session.once("close", () => (isConnected ? resolve("1.1") : reject(new Error("the connection was closed"))));
  return () => session.destroy();
}
