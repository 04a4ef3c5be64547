// The servers behind the one port: cleartext, or TLS where there is a certificate.
import * as http from "node:http";
import * as http2 from "node:http2";
import * as https from "node:https";
import type { Socket } from "node:net";
import { boundConnections, boundStrangers, type ConnectionBounds } from "#runtime/limits/connection-bounds.ts";
import type { Logger } from "#runtime/log.ts";
import { serverTlsOptions } from "#runtime/tls/options.ts";
import { rememberPeer } from "#runtime/tls/peer.ts";
import type { TlsFiles } from "#runtime/tls/tls-files.ts";
import { alpnProtocols, splitByAlpn } from "./alpn.ts";
import { splitByFirstBytes } from "./first-bytes.ts";
import type { HttpHandler } from "./http-handler.ts";
import { endIdleSessions } from "./idle-sessions.ts";

/** All headers of a request together; HTTP/2 counts 32 bytes more for each (RFC 9113, 6.5.2). Bytes. */
const headerBytesMax = 16_384;
/** Of HTTP/2; more are refused. HTTP/1.1 leaves out what is beyond. */
const headersMax = 100;
/** How long a client may take to send the headers, and the whole request. Milliseconds. */
const headersTimeoutMs = 10_000;
export const requestTimeoutMs = 30_000;
/** How often the two are looked at. */
const checkMs = 5_000;
/** Calls at once on one HTTP/2 connection; a service sends all its calls to a replica over one. */
const concurrentStreamsMax = 1_000;
/** An idle connection of HTTP/2 is ended; above what balancers in front wait. Milliseconds. */
const idleMsMax = 300_000;
/**
 * Calls that are begun only to be taken back (CVE-2023-44487): more at once, and then more a second, end their connection. A process
 * of the mesh calls for many over one, who may all go away at the same moment; so they are not as few as Node's own.
 */
const resets = { streamResetBurst: 4_000, streamResetRate: 1_000 };

export interface Listeners {
  /** The one that listens. */
  http1: http.Server;
  http2Server: http2.Http2Server;
  /** Connections that have not yet said which HTTP they speak. */
  undecided: ReadonlySet<Socket>;
}

export interface ListenersOptions {
  answer: HttpHandler;
  tls: TlsFiles | undefined;
  log: Logger;
  /** Without them everybody may open as many connections as it likes. */
  bounds?: ConnectionBounds | undefined;
  /** For tests. Milliseconds. */
  idleMs?: number | undefined;
}

/** Cleartext without tls, or where that has no certificate of our own. */
export function createListeners(options: ListenersOptions): Listeners {
  const { answer, tls, log, bounds } = options;
  const ofHttp1 = {
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    maxHeaderSize: headerBytesMax,
    connectionsCheckingInterval: checkMs,
    insecureHTTPParser: false,
  };
  const settings = { maxConcurrentStreams: concurrentStreamsMax, maxHeaderListSize: headerBytesMax };
  const http2Server = http2.createServer({ settings, maxHeaderListPairs: headersMax, ...resets }, answer);
  endIdleSessions(http2Server, options.idleMs ?? idleMsMax);
  if (!tls?.settings.identity) {
    const http1 = http.createServer(ofHttp1, answer);
    http1.maxHeadersCount = headersMax;
    const undecided = splitByFirstBytes({ http1, http2Server, timeoutMs: headersTimeoutMs });
    if (bounds) boundConnections(http1, bounds);
    return { http1, http2Server, undecided };
  }
  const http1 = https.createServer(
    { ...ofHttp1, ...serverTlsOptions(tls), ALPNProtocols: alpnProtocols, handshakeTimeout: headersTimeoutMs },
    answer,
  );
  http1.maxHeadersCount = headersMax;
  tls.onChange(({ files }) => http1.setSecureContext(files));
  const undecided = splitByAlpn({ http1, http2Server, log });
  // Remembered in any case. A process of the mesh is to get in whatever strangers do.
  if (bounds) boundStrangers(http1, bounds, rememberPeer);
  else http1.prependListener("secureConnection", rememberPeer);
  return { http1, http2Server, undecided };
}
