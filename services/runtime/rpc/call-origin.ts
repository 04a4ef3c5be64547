// From where a call comes, as far as those on its way may be believed: one rule for what is counted and for what is written down.
import type { HandlerContext } from "@connectrpc/connect";
import { addressInHand } from "#runtime/limits/asked-from.ts";
import { clientAddress, type TrustsProxy } from "#runtime/limits/client-address.ts";
import type { Vouching } from "#runtime/limits/vouching.ts";
import { requestContext } from "#runtime/request-context.ts";
import { insidePeer, peerKey } from "./peer.ts";

export interface Origin {
  /** The IP address of whoever asked first; where a process of the mesh works by itself, insidePeer. */
  address: string;
  /** A call of the mesh, which is part of one that has been counted, or its own. */
  isCounted: boolean;
}

export type OriginOf = (call: Pick<HandlerContext, "values" | "requestHeader">) => Origin;

export interface OriginRules {
  trustsProxy: TrustsProxy;
  vouching: Pick<Vouching, "vouchedFor">;
}

const believesNobody: OriginRules = { trustsProxy: () => false, vouching: { vouchedFor: () => undefined } };

/** Without rules nobody outside this process is believed. */
export function createOriginOf({ trustsProxy, vouching }: OriginRules = believesNobody): OriginOf {
  return ({ values, requestHeader }) => {
    const peer = values.get(peerKey);
    if (peer === undefined) return originInside();
    const vouched = vouching.vouchedFor(requestHeader);
    const forwardedFor = vouched ? undefined : requestHeader.get("x-forwarded-for");
    return { isCounted: false, address: clientAddress(peer, forwardedFor, trustsProxy), ...vouched };
  };
}

/** Of a call that does not leave the process. */
export function originInside(): Origin {
  const outer = requestContext();
  if (outer) return { address: outer.call?.peer ?? insidePeer, isCounted: true };
  const address = addressInHand();
  return { address: address ?? insidePeer, isCounted: address === undefined };
}
