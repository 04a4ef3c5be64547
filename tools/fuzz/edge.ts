// The edge over services that answer what they heard, asked over real connections that stay open.
import { Agent, request as httpRequest } from "node:http";
import {
  createFileRegistry,
  fromBinary,
  type DescMessage,
  type DescMethod,
  type FileRegistry,
  type Message,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createRouterTransport } from "@connectrpc/connect";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createLogger } from "#runtime/log.ts";
import { startEdge } from "../../services/edge/main.ts";
import { buildImage } from "../build-image.ts";

export interface Answer {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: string;
}

export interface Question {
  method: string;
  target: string;
  headers?: Record<string, string>;
  /** Several parts are sent one by one, and their length is not said before. */
  body?: string | Uint8Array | Buffer[] | undefined;
}

export interface FuzzedEdge {
  contracts: FileRegistry;
  messageType(name: string): DescMessage;
  /** Asks, and gives the answer with the request that a service heard meanwhile, or with all messages of a stream of them. */
  ask(question: Question): Promise<{ answer: Answer; heard: Message | undefined; stream: Message[] }>;
  /** What the edge has logged as unforeseen since it was last asked. */
  complaints(): string[];
  close(): Promise<void>;
}

/** An answer that takes longer is a hang. Milliseconds. */
const answerMsMax = 10_000;

async function buildContracts(): Promise<FileRegistry> {
  const image = await buildImage(["fuzz.proto", "legacy.proto"].map((name) => join(import.meta.dirname, name)));
  try {
    return createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(image.path)));
  } finally {
    await image.remove();
  }
}

export async function startFuzzedEdge(): Promise<FuzzedEdge> {
  const contracts = await buildContracts();
  const services = ["FuzzService", "LegacyService", "UploadService"].flatMap(
    (name) => contracts.getService(`edge.fuzz.v1.${name}`) ?? [],
  );
  let heard: Message | undefined;
  let stream: Message[] = [];
  let complaints: string[] = [];
  const hearOne =
    ({ input, output }: DescMethod) =>
    (request: Message): object => {
      heard = request;
      return input === output ? request : {};
    };
  const hearStream = async (requests: AsyncIterable<Message>): Promise<object> => {
    for await (const request of requests) stream.push(request);
    return {};
  };
  const handlerOf = (method: DescMethod) => (method.methodKind === "client_streaming" ? hearStream : hearOne(method));
  const transport = createRouterTransport((router) => {
    for (const service of services) {
      const handlers = Object.fromEntries(service.methods.map((method) => [method.localName, handlerOf(method)]));
      router.service(service, handlers as never);
    }
  });
  const log = createLogger({ level: "warn", destination: { write: (line) => void complaints.push(line) } });
  const edge = await startEdge({ services, transportFor: () => transport, port: 0, host: "127.0.0.1", log });
  const agent = new Agent({ keepAlive: true });
  return {
    contracts,
    messageType: (name) => {
      const desc = contracts.getMessage(name);
      if (!desc) throw new Error(`no message ${name}`);
      return desc;
    },
    ask: async (question) => {
      heard = undefined;
      stream = [];
      return { answer: await send(question, edge.port, agent), heard, stream };
    },
    complaints: () => {
      const told = complaints;
      complaints = [];
      return told;
    },
    close: async () => {
      agent.destroy();
      await edge.close(1_000);
    },
  };
}

function send({ method, target, headers = {}, body }: Question, port: number, agent: Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const isWhole = body !== undefined && !Array.isArray(body);
    const length = isWhole ? { "content-length": String(Buffer.byteLength(body)) } : {};
    const options = { host: "127.0.0.1", port, agent, method, path: target, headers: { ...headers, ...length } };
    const request = httpRequest(options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.once("end", () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    });
    const timer = setTimeout(() => request.destroy(new Error(`no answer within ${answerMsMax} ms`)), answerMsMax);
    request.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    if (Array.isArray(body)) for (const part of body) request.write(part);
    request.end(isWhole ? body : undefined);
  });
}
