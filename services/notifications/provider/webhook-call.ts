// One call of an endpoint: bounded in time and in what is read of the answer, without redirects, and only to addresses that are
// allowed. The address is checked where the connection is made, so a name that means something else a moment later is of no use.
import { lookup as lookUp, type LookupAddress } from "node:dns";
import { request as requestHttp, type ClientRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { hostOf, isPublicAddress } from "./webhook-address.ts";

export interface WebhookCall {
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string;
}

export interface CallResult {
  durationMs: number;
  /** 0 where there was no answer. */
  statusCode: number;
  /** Empty where there was one. */
  error: string;
  responseStart: string;
}

/** All addresses of a name, as node:dns answers them. */
export type Resolve = (name: string, done: (error: Error | null, addresses: LookupAddress[]) => void) => void;

export interface CallSettings {
  timeoutMs: number;
  allowsPrivate: boolean;
  resolve?: Resolve;
}

export const responseBytesMax = 1_024;
const headerBytesMax = 16_384;
const resolveAll: Resolve = (name, done) => lookUp(name, { all: true }, done);
const notAllowed = (): Error => Object.assign(new Error("address not allowed"), { code: "ADDRESS_NOT_ALLOWED" });

/** Never throws: whatever happens is a result. */
export async function callWebhook(call: WebhookCall, settings: CallSettings): Promise<CallResult> {
  const startMs = performance.now();
  const durationMs = (): number => Math.round(performance.now() - startMs);
  try {
    const answered = await send(call, settings);
    return { durationMs: durationMs(), error: "", ...answered };
  } catch (error) {
    return { durationMs: durationMs(), statusCode: 0, error: nameOf(error), responseStart: "" };
  }
}

function send(
  { url: text, headers, body }: WebhookCall,
  settings: CallSettings,
): Promise<Pick<CallResult, "statusCode" | "responseStart">> {
  const { timeoutMs, allowsPrivate } = settings;
  const url = new URL(text);
  const host = hostOf(url);
  // An address is never looked up, so it would be checked nowhere else.
  if (isIP(host) !== 0 && !allowsPrivate && !isPublicAddress(host)) return Promise.reject(notAllowed());
  const options: RequestOptions = {
    method: "POST",
    headers: { ...headers, "content-length": String(Buffer.byteLength(body)) },
    lookup: checkedLookup(settings),
    maxHeaderSize: headerBytesMax,
    // Every call has a connection of its own, so none is used that was made before an address was forbidden.
    agent: false,
    signal: AbortSignal.timeout(timeoutMs),
  };
  const request = url.protocol === "https:" ? requestHttps(url, options) : requestHttp(url, options);
  return new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response) => {
      // From here on there is an answer, also where the connection ends before it.
      request.off("error", reject).on("error", () => {});
      void readStart(request, response).then((responseStart) => {
        resolve({ statusCode: response.statusCode ?? 0, responseStart });
      });
    });
    request.end(body);
  });
}

/** The first bytes; the rest is not taken. An answer that does not end in time counts by its status all the same. */
async function readStart(request: ClientRequest, response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= responseBytesMax) break;
    }
  } catch {
    // Cut off: what has come is what there is.
  } finally {
    request.destroy();
  }
  return new TextDecoder().decode(Buffer.concat(chunks).subarray(0, responseBytesMax)).replaceAll("\0", "");
}

/** One address that is not allowed among those of a name, and none is called. */
function checkedLookup({ allowsPrivate, resolve = resolveAll }: CallSettings): NonNullable<RequestOptions["lookup"]> {
  return (name, options, done) => {
    resolve(name, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error || !first) return done(error ?? Object.assign(new Error("no address"), { code: "ENOTFOUND" }), "", 0);
      if (!allowsPrivate && !addresses.every(({ address }) => isPublicAddress(address))) return done(notAllowed(), "", 0);
      return options.all ? done(null, addresses) : done(null, first.address, first.family);
    });
  };
}

/** A code; never words, which may repeat an answer. */
function nameOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown };
  if (name === "AbortError" || name === "TimeoutError") return "TIMED_OUT";
  return typeof code === "string" && /^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? code : "CALL_FAILED";
}
