// Wires the REST edge: contracts and transports in, an HTTP server out.
import type { DescService } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { StartupError } from "#runtime/backing/startup-error.ts";
import type { Admission } from "#runtime/admission/admission.ts";
import { errorDomain } from "#runtime/errors.ts";
import { newId } from "#runtime/ids.ts";
import type { Logger } from "#runtime/log.ts";
import { trustsInside, type TrustsPeer } from "#runtime/rpc/client-address.ts";
import { admitRequests } from "./admit-requests.ts";
import { defaultHttpLimits, startHttpServer, type HttpLimits, type HttpServer, type Readiness } from "./http.ts";
import { connectCaller } from "./transcode/caller.ts";
import { ContractError } from "./transcode/route.ts";
import { createTranscoder, defaultLimits, type Transcoder, type TranscoderLimits } from "./transcode/transcoder.ts";

export interface EdgeOptions {
  /** The services whose HTTP rules are served. */
  services: readonly DescService[];
  /** Where a service is: in this process or another. Asked once a call. */
  transportFor: (service: DescService) => Transport;
  /** 0 takes a free one. */
  port: number;
  host: string;
  log: Logger;
  readiness?: () => Promise<Readiness>;
  /** Without it every request is let in. */
  admission?: Admission | undefined;
  /** Whose word about a caller's address is taken; without it nobody's. */
  trustsPeer?: TrustsPeer;
  limits?: Partial<TranscoderLimits>;
  httpLimits?: Partial<HttpLimits>;
}

export type Edge = HttpServer;

/** Who asks, which request and trace it is, and in which language; besides the caller's address nothing else travels on. */
const forwardedHeaders = ["authorization", "traceparent", "tracestate", "accept-language"];

export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const shutdown = new AbortController();
  const transcoder = compile(options, shutdown.signal);
  return startHttpServer({
    handle: admitRequests({ admission: options.admission, handle: transcoder.handle }),
    readiness: options.readiness ?? (() => Promise.resolve({ ready: true, checks: {} })),
    onClosing: () => shutdown.abort(),
    errorDomain,
    port: options.port,
    host: options.host,
    limits: { ...defaultHttpLimits, ...options.httpLimits },
  });
}

function compile({ services, transportFor, limits, log, ...options }: EdgeOptions, shutdown: AbortSignal): Transcoder {
  try {
    return createTranscoder({
      services,
      caller: connectCaller(transportFor),
      errorDomain,
      newRequestId: () => newId("req"),
      forwardedHeaders,
      trustsPeer: options.trustsPeer ?? trustsInside,
      limits: { ...defaultLimits, ...limits },
      shutdown,
      onUnexpected: (error, { path, requestId }) => log.error({ err: error, path, requestId }, "edge_call_failed"),
    });
  } catch (error) {
    if (error instanceof ContractError) throw new StartupError(`The REST edge cannot serve these contracts:\n${error.message}`);
    throw error;
  }
}
