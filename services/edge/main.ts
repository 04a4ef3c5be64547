// Wires the REST edge: contracts and transports in, an HTTP server out. Run by itself, it serves the contracts of a file.
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { DescFile, DescService } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import type { Admission } from "#runtime/admission/admission.ts";
import { readCors } from "#runtime/cors.ts";
import { errorDomain } from "#runtime/errors.ts";
import { newId } from "#runtime/ids.ts";
import { askedFrom } from "#runtime/limits/asked-from.ts";
import { clientAddress, type TrustsProxy } from "#runtime/limits/client-address.ts";
import { readConnectionBounds } from "#runtime/limits/connection-bounds.ts";
import { limitHeader, policyHeader } from "#runtime/limits/rate-limited.ts";
import { createLogger, type Logger } from "#runtime/log.ts";
import { textSetting, type Environment } from "#runtime/settings.ts";
import { edgeTlsNames, readTlsSettings } from "#runtime/tls/settings.ts";
import { openTlsFiles } from "#runtime/tls/tls-files.ts";
import { untilSignal } from "#runtime/until-signal.ts";
import { admitRequests } from "./admit-requests.ts";
import { corsHeaders } from "./cors-headers.ts";
import { readImage } from "./foreign/image.ts";
import { readProgramOptions, usage } from "./foreign/options.ts";
import { openUpstream } from "./foreign/upstream.ts";
import {
  defaultHttpLimits,
  startHttpServer,
  type HttpLimits,
  type HttpServer,
  type HttpServerOptions,
  type Readiness,
} from "./http.ts";
import { createOAuthEndpoints } from "./oauth/endpoints.ts";
import { createOpenapiEndpoint } from "./openapi/serve.ts";
import { identityTickets } from "./stream-tickets.ts";
import { connectCaller, type Caller } from "./transcode/caller.ts";
import { ContractError } from "./transcode/route.ts";
import { createTranscoder, defaultLimits, type Transcoder, type TranscoderLimits } from "./transcode/transcoder.ts";

export interface EdgeOptions {
  /** The services whose HTTP rules are served. */
  services: readonly DescService[];
  /** Files of types that answers may name, beyond those that the services' files import. */
  files?: readonly DescFile[];
  /** Headers, in lower case, that travel beyond those that always do. */
  requestHeaders?: readonly string[];
  responseHeaders?: readonly string[];
  /** Where a service is: in this process or another. Asked once a call. */
  transportFor: (service: DescService) => Transport;
  /** 0 takes a free one. */
  port: number;
  host: string;
  log: Logger;
  readiness?: () => Promise<Readiness>;
  /** Without it every request is let in. */
  admission?: Admission | undefined;
  /** Whose X-Forwarded-For is believed; without it nobody's. */
  trustsProxy?: TrustsProxy;
  limits?: Partial<TranscoderLimits>;
  httpLimits?: Partial<HttpLimits>;
  /** The document of OpenAPI that is served; none where it is absent. */
  openapi?: URL;
  /** For the settings ORDERMESH_EDGE_…; none where it is absent. */
  env?: Environment;
}

export interface Edge extends HttpServer {
  /** Whether the port speaks TLS. */
  isSecure: boolean;
}

/** Who asks, which request and trace it is, and in which language; nothing else travels on. */
const forwardedHeaders = ["authorization", "traceparent", "tracestate", "accept-language"];
/** How much the caller may still ask; nothing else comes back. */
const returnedHeaders = [policyHeader, limitHeader];

export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const shutdown = new AbortController();
  const caller = connectCaller(options.transportFor);
  const env = options.env ?? {};
  const cors = readCors(env, corsHeaders);
  const limits = {
    ...defaultHttpLimits,
    ...readConnectionBounds(env, "ORDERMESH_EDGE_CONNECTIONS_PER_ADDRESS"),
    ...options.httpLimits,
  };
  const tlsSettings = readTlsSettings(env, edgeTlsNames);
  const tls = tlsSettings && (await openTlsFiles(tlsSettings, options.log));
  const server = await startHttpServer({
    handle: forItsClient(
      admitRequests({ admission: options.admission, handle: handlerOf(options, caller, shutdown.signal) }),
      options.trustsProxy,
    ),
    readiness: options.readiness ?? (() => Promise.resolve({ ready: true, checks: {} })),
    onClosing: () => shutdown.abort(),
    errorDomain,
    port: options.port,
    host: options.host,
    limits,
    cors,
    tls,
  });
  return {
    port: server.port,
    isSecure: tlsSettings?.identity !== undefined,
    close: async (graceMs) => {
      await server.close(graceMs);
      tls?.close();
    },
  };
}

const newRequestId = (): string => newId("req");

/** What no contract declares: OAuth's endpoints where identity is served, and the contracts' own document. Then what they declare. */
function handlerOf(options: EdgeOptions, caller: Caller, shutdown: AbortSignal): Transcoder["handle"] {
  const transcoder = compile(options, caller, shutdown);
  const { log, openapi, services } = options;
  const oauth = { caller, returnedHeaders, newRequestId, onUnexpected: unexpectedLog(log) };
  const endpoints = [
    ...(services.includes(IdentityService) ? [createOAuthEndpoints(oauth).handle] : []),
    ...(openapi ? [createOpenapiEndpoint(openapi)] : []),
  ];
  return async (request, response, becomeStream) => {
    for (const endpoint of endpoints) if (await endpoint(request, response)) return;
    await transcoder.handle(request, response, becomeStream);
  };
}

const unexpectedLog =
  (log: Logger) =>
  (error: unknown, { path, requestId }: { path: string; requestId: string }): void =>
    log.error({ err: error, path, requestId }, "edge_call_failed");

/** All that is called while a request is handled is called for whoever sent it. */
function forItsClient(handle: HttpServerOptions["handle"], trustsProxy: TrustsProxy = () => false): HttpServerOptions["handle"] {
  return (request, response) => {
    const { remoteAddress = "unknown" } = request.socket;
    const forwardedFor = request.headers["x-forwarded-for"]?.toString();
    return askedFrom(clientAddress(remoteAddress, forwardedFor, trustsProxy), () => handle(request, response));
  };
}

function compile(options: EdgeOptions, caller: Caller, shutdown: AbortSignal): Transcoder {
  const { services, files, limits, log, requestHeaders = [], responseHeaders = [] } = options;
  try {
    return createTranscoder({
      services,
      files,
      caller,
      errorDomain,
      newRequestId,
      forwardedHeaders: [...forwardedHeaders, ...requestHeaders],
      returnedHeaders: [...returnedHeaders, ...responseHeaders],
      limits: { ...defaultLimits, ...limits },
      shutdown,
      onUnexpected: unexpectedLog(log),
      tickets: services.includes(IdentityService) ? identityTickets(caller) : undefined,
    });
  } catch (error) {
    if (error instanceof ContractError) throw new StartupError(`The REST edge cannot serve these contracts:\n${error.message}`);
    throw error;
  }
}

const closeGraceMs = 5_000;

/** Contracts of a file, of services somewhere else: docs/rest.md. */
async function main(): Promise<void> {
  const { env } = process;
  const options = readProgramOptions(process.argv.slice(2), env);
  if (options === "help") return console.log(usage);
  const { descriptors, upstream: url, protocol, host, port, requestHeaders, responseHeaders } = options;
  const image = await readImage(descriptors, options.services);
  const log = createLogger({ level: textSetting(env, "ORDERMESH_LOG_LEVEL", process.stdout.isTTY ? "warn" : "info") });
  const upstream = openUpstream({ url, protocol, log });
  const readiness = (): Promise<Readiness> =>
    upstream.ask().then(
      (speaks) => ({ ready: true, checks: { upstream: speaks } }),
      () => ({ ready: false, checks: { upstream: "away" } }),
    );
  const transportFor = (): Transport => upstream.transport;
  const stopped = untilSignal();
  const edge = await startEdge({ ...image, transportFor, readiness, requestHeaders, responseHeaders, host, port, log, env });
  const { checks } = await readiness();
  const origin = `${edge.isSecure ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${edge.port}`;
  console.log(`REST is ready on ${origin}. Ctrl-C stops it.`);
  console.log(`  serves    ${image.services.map(({ typeName }) => typeName).join(", ")}`);
  console.log(
    `  upstream  ${url.origin}: ${checks["upstream"] === "away" ? "away; calls are answered with 503 until it is there" : checks["upstream"]}`,
  );
  await stopped;
  await edge.close(closeGraceMs);
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await main();
    process.exit(0);
  } catch (error) {
    console.error(error instanceof StartupError ? error.message : error);
    process.exit(1);
  }
}
