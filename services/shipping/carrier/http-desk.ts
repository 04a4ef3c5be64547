// A carrier, or an adapter in front of one, that is called over HTTP. docs/shipping.md has what it must do.
import type { BookingAnswer, CancelAnswer } from "../domain/booking.ts";
import { CarrierUnavailable, type BookingDesk, type BookingRequest, type WhichBooking } from "./contract.ts";
import { plain } from "./webhook.ts";

export interface DeskSettings {
  name: string;
  /** Without a slash at its end. */
  baseUrl: string;
  /** By tenant, whose account it is. */
  tokens: ReadonlyMap<string, string>;
  /** For one call, until all of its answer is here. */
  timeoutMs: number;
}

/** Bytes of a label in PDF; a larger one is left out. */
export const labelBytesMax = 1_048_576;
/** Bytes of an answer: a label in base64, and words. */
const answerBytesMax = 2_097_152;
const messageMax = 500;

/** As our own label can show it: a barcode of Code 128 on A6 that a printer of 203 dots an inch can print. */
const numberPattern = /^[A-Za-z0-9][A-Za-z0-9-]{0,33}$/;
const reasonPattern = /^[A-Z][A-Z0-9_]{0,63}$/;

export function httpDesk(settings: DeskSettings): BookingDesk {
  const parcelPath = (key: string): string => `/parcels/${encodeURIComponent(key)}`;
  return {
    book: async (request) => {
      const [headers, body] = [{ "idempotency-key": request.key }, JSON.stringify(bodyOf(request))];
      const answer = await call(settings, request, { path: "/parcels", method: "POST", headers, body });
      return wordOf(answer) ?? notUnderstood(answer);
    },
    find: async (which) => {
      const answer = await call(settings, which, { path: parcelPath(which.key), method: "GET" });
      return answer.status === 404 ? undefined : (wordOf(answer) ?? notUnderstood(answer));
    },
    cancel: async (which) => {
      const answer = await call(settings, which, { path: `${parcelPath(which.key)}/cancel`, method: "POST" });
      return cancelWordOf(answer) ?? notUnderstood(answer);
    },
  };
}

function bodyOf({ shipmentId, orderId, method, from, to, lines }: BookingRequest) {
  return { shipmentId, orderId, method, from, to, lines: lines.map(({ sku, quantity }) => ({ sku, quantity })) };
}

interface Answer {
  status: number;
  text: string;
}

interface Call {
  path: string;
  method: "GET" | "POST";
  headers?: Record<string, string>;
  body?: string;
}

/** Nobody is followed elsewhere with the token. */
async function call(settings: DeskSettings, { tenant }: WhichBooking, { path, headers, ...init }: Call): Promise<Answer> {
  const { name, baseUrl, tokens, timeoutMs } = settings;
  const token = tokens.get(tenant);
  if (token === undefined) {
    throw new CarrierUnavailable(`ORDERMESH_CARRIER_TOKENS has no token of ${name} for the tenant "${tenant}": add one`);
  }
  try {
    const response = await fetch(`${baseUrl}${path}`, {
      ...init,
      headers: { ...headers, authorization: `Bearer ${token}`, accept: "application/json", "content-type": "application/json" },
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: response.status, text: await readText(response) };
  } catch (error) {
    if (error instanceof CarrierUnavailable) throw error;
    const isLate = (error as Error).name === "TimeoutError";
    throw new CarrierUnavailable(isLate ? `no answer within ${timeoutMs} ms` : `the call failed: ${codeOf(error)}`);
  }
}

async function readText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > answerBytesMax) throw new CarrierUnavailable(`its answer has more than ${answerBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** A code; never words, which may repeat an address or a token. */
function codeOf(error: unknown): string {
  const { code } = ((error as Error).cause ?? error) as { code?: unknown };
  return typeof code === "string" && /^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? code : "CALL_FAILED";
}

function notUnderstood({ status }: Answer): never {
  throw new CarrierUnavailable(`HTTP ${status}, with nothing that says what was done`);
}

/** Undefined where it says nothing of what was done. */
function wordOf({ status, text }: Answer): BookingAnswer | undefined {
  if (status === 422) return refusalOf(text);
  if (status === 410) return { kind: "refused", reason: "BOOKING_CANCELLED", message: "its booking is cancelled" };
  if (status !== 200 && status !== 201) return undefined;
  const { trackingNumber, label } = parse(text);
  if (typeof trackingNumber !== "string" || !numberPattern.test(trackingNumber)) {
    throw new CarrierUnavailable("its answer has no trackingNumber of 1 to 34 letters, digits and hyphens");
  }
  return { kind: "booked", trackingNumber, ...readLabel(label) };
}

function cancelWordOf({ status, text }: Answer): CancelAnswer | undefined {
  if (status === 404) return { kind: "unknown" };
  if (status === 422) return refusalOf(text);
  return status === 200 || status === 204 || status === 410 ? { kind: "cancelled" } : undefined;
}

function refusalOf(text: string): Extract<BookingAnswer, { kind: "refused" }> {
  const { reason, message } = parse(text);
  const isReason = typeof reason === "string" && reasonPattern.test(reason);
  const words = typeof message === "string" ? plain(message, messageMax) : "";
  return { kind: "refused", reason: isReason ? reason : "REFUSED", message: words };
}

/** An answer that is no object has no fields. */
function parse(text: string): Record<string, unknown> {
  try {
    const content: unknown = JSON.parse(text);
    return typeof content === "object" && content !== null ? (content as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

type Label = Pick<Extract<BookingAnswer, { kind: "booked" }>, "label" | "labelProblem">;

/** The booking stands whatever its label is worth: ours takes the place of one that cannot be used. */
function readLabel(label: unknown): Label {
  if (label === undefined || label === null) return { label: undefined, labelProblem: "" };
  const unusable = (labelProblem: string): Label => ({ label: undefined, labelProblem });
  if (typeof label !== "string" || !/^[A-Za-z0-9+/]+={0,2}$/.test(label)) return unusable("it is no base64");
  const bytes = Buffer.from(label, "base64");
  if (bytes.length > labelBytesMax) return unusable(`it has ${bytes.length} bytes, ${labelBytesMax} at most`);
  if (!bytes.subarray(0, 5).equals(Buffer.from("%PDF-"))) return unusable("it is no PDF");
  return { label: Uint8Array.from(bytes), labelProblem: "" };
}
