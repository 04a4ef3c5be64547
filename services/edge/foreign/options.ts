// What the program is told: which contracts it serves, and where their services are.
import { parseArgs } from "node:util";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { numberSetting, textSetting, type Environment } from "#runtime/settings.ts";

export const protocols = ["auto", "grpc", "connect"] as const;
export type Protocol = (typeof protocols)[number];

export interface ProgramOptions {
  /** An image of buf, or a FileDescriptorSet of protoc with its imports. */
  descriptors: string;
  upstream: URL;
  protocol: Protocol;
  /** Full names of the services to serve; all that have HTTP rules where it is empty. */
  services: readonly string[];
  /** Further headers, in lower case, that travel to the call, and back from it. */
  requestHeaders: readonly string[];
  responseHeaders: readonly string[];
  port: number;
  host: string;
}

export const usage = `npm run edge -- --descriptors image.binpb --upstream http://host:port

  --descriptors FILE       the contracts: buf build -o image.binpb
  --upstream URL           where their services are, http or https
  --protocol NAME          auto (default): gRPC where the upstream speaks HTTP/2, else Connect; or grpc, or connect
  --service NAME           serve this one alone, by its full name; may be given again
  --request-header NAME    let this header travel to the call, too; may be given again
  --response-header NAME   let this header of the call's answer travel back; may be given again
  --port NUMBER            default: ORDERMESH_EDGE_PORT, else 8080; 0 takes a free one
  --host ADDRESS           default: ORDERMESH_HOST, else 127.0.0.1`;

/** @throws StartupError with what is wrong and how it is called. */
export function readProgramOptions(args: readonly string[], env: Environment): ProgramOptions | "help" {
  const values = parse(args);
  if (values.help) return "help";
  const { descriptors, upstream, protocol, service, port } = values;
  if (!descriptors) throw wrong("--descriptors is missing; it names the file that `buf build -o image.binpb` writes");
  if (!upstream) throw wrong("--upstream is missing; it is the address of the services, such as http://127.0.0.1:50051");
  const chosen = protocols.find((name) => name === protocol);
  if (!chosen) throw wrong(`--protocol is "${protocol}"; it is one of ${protocols.join(", ")}`);
  return {
    descriptors,
    upstream: readUpstream(upstream),
    protocol: chosen,
    services: service,
    requestHeaders: headerNames("--request-header", values["request-header"]),
    responseHeaders: headerNames("--response-header", values["response-header"]),
    port:
      port === undefined ? numberSetting(env, "ORDERMESH_EDGE_PORT", { fallback: 8080, min: 0, max: 65_535 }) : readPort(port),
    host: values.host ?? textSetting(env, "ORDERMESH_HOST", "127.0.0.1"),
  };
}

const wrong = (why: string): StartupError => new StartupError(`${why}.\n\n${usage}`);

function parse(args: readonly string[]) {
  const many = { type: "string", multiple: true, default: [] as string[] } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        descriptors: { type: "string" },
        upstream: { type: "string" },
        protocol: { type: "string", default: "auto" },
        service: many,
        "request-header": many,
        "response-header": many,
        port: { type: "string" },
        host: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw wrong(error instanceof Error ? error.message.replace(/\.$/, "") : "the options cannot be read");
  }
}

function readUpstream(text: string): URL {
  const url = URL.parse(text);
  const isAddress = url && ["http:", "https:"].includes(url.protocol) && !url.search && !url.hash && !url.username;
  if (!isAddress) throw wrong(`--upstream is "${text}"; it is an address such as http://127.0.0.1:50051 or https://api.example`);
  return url;
}

function readPort(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw wrong(`--port is "${text}"; it is a whole number from 0 to 65535`);
}

/** These belong to a connection or to the protocol of the call, and are not a caller's to set. */
const reservedHeaders =
  /^(?:connection|content-.*|cookie|grpc-.*|connect-.*|host|keep-alive|set-cookie|te|trailer|transfer-encoding|upgrade)$/;

function headerNames(option: string, names: readonly string[]): string[] {
  return names.map((name) => {
    const lower = name.toLowerCase();
    if (/^[a-z0-9-]+$/.test(lower) && !reservedHeaders.test(lower)) return lower;
    throw wrong(`${option} is "${name}"; it is a header's name, and none of the connection or of the call's protocol`);
  });
}
