// Content codings: answers are compressed where the caller takes it, bodies of requests are taken compressed. RFC 9110, sections 8.4
// and 12.5.3.
import type { IncomingHttpHeaders } from "node:http";
import { promisify } from "node:util";
import { brotliCompress, brotliDecompress, constants, gunzip, gzip } from "node:zlib";
import { weak } from "./etag.ts";
import { EdgeRefusal, rpcCode } from "./status.ts";

const compressBr = promisify(brotliCompress);
const compressGzip = promisify(gzip);
const expandBr = promisify(brotliDecompress);
const expandGzip = promisify(gunzip);

/** What fits into one packet with its headers comes no sooner for being smaller. Bytes. */
const bytesMin = 1_400;
/** Half of what the highest does is done by this, at a twentieth of the time. */
const brotliQuality = 4;

type Coding = "br" | "gzip";

/** The best that both know: brotli before gzip where they are as welcome; undefined for none. */
export function codingFor(accept: string | undefined): Coding | undefined {
  if (!accept) return undefined;
  const weights = new Map<string, number>();
  for (const part of accept.toLowerCase().split(",")) {
    const [name = "", ...parameters] = part.split(";").map((text) => text.trim());
    const quality = parameters.find((parameter) => parameter.startsWith("q="));
    const weight = quality === undefined ? 1 : Number(quality.slice(2));
    if (weight >= 0 && weight <= 1) weights.set(name, weight);
  }
  const weightOf = (coding: Coding): number => weights.get(coding) ?? weights.get("*") ?? 0;
  const plain = weights.get("identity") ?? 0;
  const best = weightOf("gzip") > weightOf("br") ? "gzip" : "br";
  return weightOf(best) > 0 && weightOf(best) >= plain ? best : undefined;
}

/** Pictures, archives and the like are compressed already. */
const isCompressible = (contentType: string): boolean =>
  /^(?:text\/|application\/(?:json|xml|javascript|[a-z0-9.-]+\+(?:json|xml))|image\/svg\+xml)/i.test(contentType);

export interface CodedBytes {
  bytes: Uint8Array;
  headers: Record<string, string>;
}

/** An answer's bytes as the caller likes them best. Says that the answer depends on what the caller takes wherever it does. */
export async function encode(
  accept: string | undefined,
  { bytes, contentType, headers }: CodedBytes & { contentType: string },
): Promise<CodedBytes> {
  if (bytes.length < bytesMin || !isCompressible(contentType)) return { bytes, headers };
  const varying: Record<string, string> = { ...headers, vary: "Accept-Encoding" };
  const coding = codingFor(accept);
  if (!coding) return { bytes, headers: varying };
  const coded =
    coding === "br"
      ? await compressBr(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality } })
      : await compressGzip(bytes);
  const etag = varying["etag"];
  return { bytes: coded, headers: { ...varying, ...(etag ? { etag: weak(etag) } : {}), "content-encoding": coding } };
}

const expanders: Readonly<Record<string, typeof expandGzip>> = { gzip: expandGzip, "x-gzip": expandGzip, br: expandBr };

/** How the body is coded; undefined where it comes as it is. Throws EdgeRefusal for what is not known here, before it is read. */
export function codingOf({ "content-encoding": coding }: IncomingHttpHeaders): string | undefined {
  const name = coding?.trim().toLowerCase() ?? "identity";
  if (name === "identity" || name === "") return undefined;
  if (Object.hasOwn(expanders, name)) return name;
  throw new EdgeRefusal(rpcCode.invalidArgument, "UNSUPPORTED_ENCODING", "send the body as it is, or by gzip or br", {
    httpStatus: 415,
    headers: { "accept-encoding": "gzip, br, identity" },
  });
}

/** What was compressed, up to the bound; what is behind it is never unpacked. Throws EdgeRefusal. */
export async function expand(
  bytes: Buffer,
  { coding, bytesMax, tooLarge }: { coding: string; bytesMax: number; tooLarge: () => EdgeRefusal },
): Promise<Buffer> {
  try {
    return (await expanders[coding]?.(bytes, { maxOutputLength: bytesMax })) ?? bytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge();
    throw new EdgeRefusal(rpcCode.invalidArgument, "MALFORMED_BODY", `the body is not what Content-Encoding says: ${coding}`);
  }
}
