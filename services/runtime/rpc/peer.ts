// Who is at the other end of a call's connection.
import { createContextKey } from "@connectrpc/connect";
import { insidePeer } from "./client-address.ts";

/** An IP address, or "process" for a co-located service. */
export const peerKey = createContextKey(insidePeer, { description: "peer of the call" });
