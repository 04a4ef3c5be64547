// A call from one process of the mesh to another says whom it is for, and proves by the secret that all of them share that it may
// say so: either it is part of a request that has been counted where it came in, or the edge passes on a request of somebody, who
// is to be counted now. Either way it says from where whoever asked first has asked. Without the proof the caller is whoever is at the other end of the connection.
import { createHmac, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { Transport } from "@connectrpc/connect";
import type { Logger } from "../log.ts";
import { requestContext, type RequestContext } from "../request-context.ts";
import { addressInHand } from "./asked-from.ts";

const headerName = "x-ordermesh-asked-from";
/** Instead of an address, or before that of whoever asked first. */
const mesh = "mesh";
const minuteMs = 60_000;
/** Two processes' clocks may differ by so much; after it a header that was overheard is worth nothing. Minutes. */
const minutesMax = 2;

export interface Vouching {
  /** The transport, which says with every call for whom it is. */
  vouchOn(inner: Transport): Transport;
  /** Undefined where nothing is proved. */
  vouchedFor(header: Headers): Vouched | undefined;
}

export interface Vouched {
  /** Of whoever asked first; absent where a process works by itself. */
  address?: string;
  /** Of a call that is part of one that has been counted, or the mesh's own. */
  isCounted: boolean;
}

/**
 * @param key Of this purpose alone, made of the secret. Asked for when the first call needs it; a process that has none calls
 *   without proof.
 */
export function createVouching({ key, log }: { key: () => Buffer; log: Logger }): Vouching {
  let known: Buffer | "none" | undefined;
  const keyOrNone = (): Buffer | "none" => {
    if (known) return known;
    try {
      known = key();
    } catch (error) {
      log.warn({ error: (error as Error).message }, "calls_not_vouched");
      known = "none";
    }
    return known;
  };
  const proofOf = (secret: Buffer, claim: string): string => createHmac("sha256", secret).update(claim).digest("base64url");
  const vouch = (given: HeaderInit): Headers => {
    const header = new Headers(given);
    const secret = keyOrNone();
    if (secret === "none") return header;
    // What serves a call or an event is part of it, also where the edge's request has led to it.
    const claim = `${claimOf(requestContext())};${Math.floor(Date.now() / minuteMs)}`;
    header.set(headerName, `${claim};${proofOf(secret, claim)}`);
    return header;
  };
  return {
    vouchOn: (inner) => ({
      unary: (method, signal, timeoutMs, header, ...rest) => inner.unary(method, signal, timeoutMs, vouch(header), ...rest),
      stream: (method, signal, timeoutMs, header, ...rest) => inner.stream(method, signal, timeoutMs, vouch(header), ...rest),
    }),
    vouchedFor: (header) => {
      const text = header.get(headerName);
      if (text === null) return undefined;
      const [whom = "", minute = "", proof = "", ...more] = text.split(";");
      const secret = keyOrNone();
      const isNow = Math.abs(Date.now() / minuteMs - Number(minute)) <= minutesMax;
      if (secret === "none" || !isNow || more.length > 0) return undefined;
      return isEqual(proof, proofOf(secret, `${whom};${minute}`)) ? vouchedAs(whom) : undefined;
    },
  };
}

function claimOf(context: RequestContext | undefined): string {
  if (!context) return addressInHand() ?? mesh;
  const peer = context.call?.peer ?? "";
  return isIP(peer) === 0 ? mesh : `${mesh} ${peer}`;
}

function vouchedAs(whom: string): Vouched {
  const [first = "", address] = whom.split(" ");
  if (first !== mesh) return { address: first, isCounted: false };
  return { isCounted: true, ...(address !== undefined && { address }) };
}

type HeaderInit = ConstructorParameters<typeof Headers>[0];

function isEqual(given: string, expected: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}
