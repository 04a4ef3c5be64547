// The library by real servers: gRPC by grpc-js with protobufjs, which share no code with the edge, and Connect by connect-node.
import { createServer } from "node:http";
import { createSecureServer } from "node:http2";
import { once } from "node:events";
import {
  create,
  createFileRegistry,
  fromBinary,
  fromJson,
  toBinary,
  toJson,
  type JsonValue,
  type Message,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema, type FileDescriptorSet } from "@bufbuild/protobuf/wkt";
import { ConnectError, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import { readFile } from "node:fs/promises";
import { StatusSchema } from "#gen/google/rpc/status_pb.ts";
import type { BuiltImage } from "../../tools/build-image.ts";
import { createLibrary, LibraryError, type Asked, type Library } from "./library.ts";

export interface LibraryServer extends Library {
  url: string;
  close(): Promise<void>;
}

const serviceName = "acme.library.v1.LibraryService";

async function contractsOf({ path }: BuiltImage) {
  const set: FileDescriptorSet = fromBinary(FileDescriptorSetSchema, await readFile(path));
  return createFileRegistry(set);
}

/** On a port of its own, or on the one that is given. */
export async function startGrpcLibrary(image: BuiltImage, port = 0): Promise<LibraryServer> {
  const library = createLibrary(await contractsOf(image));
  const definition = await protoLoader.load("library.proto", {
    includeDirs: [image.folder],
    longs: String,
    enums: String,
    defaults: false,
    oneofs: false,
  });
  const server = new grpc.Server();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the loader tells services and messages apart by their form alone
  const service = definition[serviceName] as grpc.ServiceDefinition;
  const methods = Object.entries(service).map(([name, { responseStream }]) => [
    name,
    responseStream ? streamHandler(name, library) : unaryHandler(name, library),
  ]);
  server.addService(service, Object.fromEntries(methods) as grpc.UntypedServiceImplementation);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const close = async (): Promise<void> => server.forceShutdown();
  return { ...library, url: `http://127.0.0.1:${bound}`, close };
}

type AnyCall = grpc.ServerUnaryCall<Asked["request"], object> | grpc.ServerWritableStream<Asked["request"], object>;

function askedOf(method: string, call: AnyCall): Asked {
  const ending = new AbortController();
  call.on("cancelled", () => ending.abort());
  const headers = Object.fromEntries(Object.entries(call.metadata.getMap()).map(([name, value]) => [name, String(value)]));
  const deadline = call.getDeadline();
  headers["deadline-ms"] = String(Number(deadline) - Date.now());
  return { method, request: call.request, headers, signal: ending.signal };
}

function grpcError(error: unknown): grpc.ServiceError | Error {
  if (!(error instanceof LibraryError)) return error as Error;
  const details = error.details.map(({ type, value }) => ({ typeUrl: `type.googleapis.com/${type}`, value }));
  const metadata = new grpc.Metadata();
  const status = create(StatusSchema, { code: error.code, message: error.message, details });
  if (details.length > 0) metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, status)));
  return Object.assign(new Error(error.message), { code: error.code, details: error.message, metadata });
}

const unaryHandler =
  (name: string, { answer }: Library): grpc.handleUnaryCall<Asked["request"], object> =>
  async (call, callback) => {
    try {
      const { value } = await answer(askedOf(name, call)).next();
      const header = new grpc.Metadata();
      header.set("x-shelf", "12");
      call.sendMetadata(header);
      callback(null, value as object);
    } catch (error) {
      callback(grpcError(error));
    }
  };

const streamHandler =
  (name: string, { answer }: Library): grpc.handleServerStreamingCall<Asked["request"], object> =>
  async (call) => {
    try {
      for await (const message of answer(askedOf(name, call))) call.write(message);
      call.end();
    } catch (error) {
      call.emit("error", grpcError(error));
    }
  };

type Shape = "http/1.1" | { key: string; cert: string };

/** Of HTTP/1.1 in cleartext, or of HTTP/2 under TLS. */
export async function startConnectLibrary(image: BuiltImage, shape: Shape = "http/1.1"): Promise<LibraryServer> {
  const contracts = await contractsOf(image);
  const library = createLibrary(contracts);
  const service = contracts.getService(serviceName);
  if (!service) throw new Error(`no service ${serviceName}`);
  const handlers = service.methods.map((method) => {
    const answer = async function* (request: Message, context: HandlerContext) {
      const json = toJson(method.input, request, { registry: contracts }) as Asked["request"];
      const headers = { ...Object.fromEntries(context.requestHeader), "deadline-ms": String(context.timeoutMs()) };
      try {
        for await (const value of library.answer({ method: method.name, request: json, headers, signal: context.signal })) {
          const { data } = value;
          const printable = { ...value, ...(data instanceof Buffer ? { data: data.toString("base64") } : {}) };
          context.responseHeader.set("x-shelf", "12");
          yield fromJson(method.output, printable as JsonValue, { registry: contracts });
        }
      } catch (error) {
        if (!(error instanceof LibraryError)) throw error;
        const refusal = new ConnectError(error.message, error.code);
        refusal.details = error.details;
        throw refusal;
      }
    };
    const unary = async (request: Message, context: HandlerContext): Promise<unknown> =>
      (await answer(request, context).next()).value;
    return [method.localName, method.methodKind === "unary" ? unary : answer];
  });
  const adapter = connectNodeAdapter({
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each handler is of its method
    routes: (router) => void router.service(service, Object.fromEntries(handlers) as never),
  });
  const server = shape === "http/1.1" ? createServer(adapter) : createSecureServer({ ...shape, allowHTTP1: true }, adapter);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return {
    ...library,
    url: shape === "http/1.1" ? `http://127.0.0.1:${port}` : `https://localhost:${port}`,
    close: async () => void server.close(),
  };
}
