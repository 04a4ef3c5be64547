// The headers of a message that was delivered, read once and in time that grows with their number: the client compares each with all
// before it, which was a twelfth of what is allocated for an order.
import type { JsMsg } from "@nats-io/jetstream";
import type { Headers } from "./envelope.ts";

/** Where the client keeps what came; @nats-io/nats-core 3.4, src/msg.ts and, for what surrounds it, @nats-io/jetstream, src/jsmsg.ts. */
interface Kept {
  msg?: { _rdata?: unknown; _msg?: { hdr?: unknown } };
}

const firstLine = "NATS/1.0";
const lineEnd = "\r\n";
/** Names that the client reads, too: https://www.rfc-editor.org/rfc/rfc822 section 3.1.2. */
const name = /^[\x21-\x39\x3b-\x7e]*$/;
const decoder = new TextDecoder();

/** What message.headers says, and throws what it throws. */
export function headersOf(message: JsMsg): Headers | undefined {
  const bytes = headerBytes(message);
  return (bytes && parse(decoder.decode(bytes))) ?? message.headers;
}

/** Undefined where the message has none, or where the client keeps them elsewhere. */
export function headerBytes(message: JsMsg): Uint8Array | undefined {
  const { _rdata: data, _msg: about } = (message as unknown as Kept).msg ?? {};
  if (!(data instanceof Uint8Array) || typeof about?.hdr !== "number" || about.hdr < 0) return undefined;
  return data.subarray(0, about.hdr);
}

/** Undefined where it is not what is usual: then the client says what it is. */
function parse(text: string): Headers | undefined {
  const [first, ...lines] = text.split(lineEnd);
  if (first !== firstLine) return undefined;
  const values = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const key = line.slice(0, colon);
    if (!name.test(key)) return undefined;
    // The first of several is the one that is asked for.
    if (!values.has(key)) values.set(key, line.slice(colon + 1).trim());
  }
  return { get: (key) => values.get(key) ?? "", has: (key) => values.has(key) };
}
