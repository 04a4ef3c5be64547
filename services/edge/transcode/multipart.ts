// Forms of browsers with a file in them: multipart/form-data, RFC 7578.
import { once } from "node:events";
import { Busboy, type BusboyFileStream, type BusboyInstance } from "@fastify/busboy";
import type { RequestChunks } from "./request-chunks.ts";
import { EdgeRefusal, rpcCode } from "./status.ts";

const limits = { files: 1, fields: 64, fieldNameSize: 200, fieldSize: 8_192, parts: 65, headerPairs: 20, headerSize: 8_192 };

export const isForm = (contentType: string): boolean => /^\s*multipart\/form-data\s*(?:;|$)/i.test(contentType);

/** A form whose file has begun to come. */
export interface OpenForm {
  /** Of the file. */
  contentType: string;
  chunks: AsyncIterable<Uint8Array>;
  /** The fields before the file, as a query. */
  before: string;
  /** The fields behind it, once the chunks have ended. */
  after(): string;
}

/** @throws EdgeRefusal, also from the chunks: MALFORMED_BODY for what is no form of one file. */
export async function openForm(contentType: string, body: RequestChunks): Promise<OpenForm> {
  const parser = createParser(contentType);
  const { promise: begun, resolve: begin, reject: refuse } = Promise.withResolvers<Omit<OpenForm, "before" | "after">>();
  const { promise: ended, resolve: end, reject: fail } = Promise.withResolvers<void>();
  // Whoever reads the file is told; nobody else waits.
  ended.catch(() => {});
  let file: BusboyFileStream | undefined;
  const before: string[] = [];
  const after: string[] = [];
  const stop = (error: unknown): void => {
    refuse(error);
    fail(error);
    file?.destroy();
  };

  parser.on("field", (name: string | undefined, value, _, isCut) => {
    if (name === undefined) return stop(malformed("a field of the form has no name"));
    if (isCut) return stop(malformed(`field ${name} is longer than ${limits.fieldSize} bytes`));
    (file ? after : before).push(`${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  });
  parser.on("file", (_name, stream, _fileName, _encoding, type) => {
    file = stream;
    stream.once("error", () => stop(endsEarly()));
    begin({ contentType: type, chunks: chunksOf(stream, ended) });
  });
  parser.once("filesLimit", () => stop(malformed("the form has several files: send one")));
  parser.once("fieldsLimit", () => stop(malformed(`the form has more than ${limits.fields} fields`)));
  parser.once("partsLimit", () => stop(malformed(`the form has more than ${limits.parts} parts`)));
  parser.once("error", () => stop(endsEarly()));
  parser.once("finish", () => {
    refuse(malformed("the form has no file"));
    end();
  });
  void feed(parser, body).catch(stop);

  const { contentType: type, chunks } = await begun;
  return { contentType: type, chunks, before: before.join("&"), after: () => after.join("&") };
}

function createParser(contentType: string): BusboyInstance {
  try {
    return new Busboy({ headers: { "content-type": contentType }, limits });
  } catch {
    throw malformed("the Content-Type names no boundary of the form");
  }
}

/** Waits for whoever reads the file: nothing piles up. */
async function feed(parser: BusboyInstance, body: RequestChunks): Promise<void> {
  for await (const chunk of body) if (!parser.write(chunk)) await once(parser, "drain");
  parser.end();
}

/** The file is whole only where the form that it came in is. */
async function* chunksOf(stream: BusboyFileStream, ended: Promise<void>): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (error) {
    await ended;
    throw error;
  }
  await ended;
}

const malformed = (message: string): EdgeRefusal => new EdgeRefusal(rpcCode.invalidArgument, "MALFORMED_BODY", message);

const endsEarly = (): EdgeRefusal => malformed("the form ends before its last boundary");
