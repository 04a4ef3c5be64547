// The servers behind the one port: cleartext, or TLS where there is a certificate.
import * as http from "node:http";
import * as http2 from "node:http2";
import * as https from "node:https";
import type { Socket } from "node:net";
import type { Logger } from "#runtime/log.ts";
import { serverTlsOptions } from "#runtime/tls/options.ts";
import type { TlsFiles } from "#runtime/tls/tls-files.ts";
import { alpnProtocols, splitByAlpn } from "./alpn.ts";
import { splitByFirstBytes } from "./first-bytes.ts";
import type { HttpHandler } from "./http-handler.ts";

/** How long a client may take to send the headers, and the whole request. Milliseconds. */
const headersTimeoutMs = 10_000;
export const requestTimeoutMs = 30_000;
/** Calls at once on one HTTP/2 connection; a service sends all its calls to a replica over one. */
const concurrentStreamsMax = 1_000;

export interface Listeners {
  /** The one that listens. */
  http1: http.Server;
  http2Server: http2.Http2Server;
  /** Connections that have not yet said which HTTP they speak. */
  undecided: ReadonlySet<Socket>;
}

/** Cleartext without tls, or where that has no certificate of our own. */
export function createListeners(options: { answer: HttpHandler; tls: TlsFiles | undefined; log: Logger }): Listeners {
  const { answer, tls, log } = options;
  const timeouts = { headersTimeout: headersTimeoutMs, requestTimeout: requestTimeoutMs, insecureHTTPParser: false };
  const http2Server = http2.createServer({ settings: { maxConcurrentStreams: concurrentStreamsMax } }, answer);
  if (!tls?.settings.identity) {
    const http1 = http.createServer(timeouts, answer);
    return { http1, http2Server, undecided: splitByFirstBytes({ http1, http2Server, timeoutMs: headersTimeoutMs }) };
  }
  const http1 = https.createServer(
    { ...timeouts, ...serverTlsOptions(tls), ALPNProtocols: alpnProtocols, handshakeTimeout: headersTimeoutMs },
    answer,
  );
  tls.onChange(({ files }) => http1.setSecureContext(files));
  return { http1, http2Server, undecided: splitByAlpn({ http1, http2Server, log }) };
}
