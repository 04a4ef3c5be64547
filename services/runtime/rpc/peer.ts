// Who is at the other end of a call's connection.
import { createContextKey } from "@connectrpc/connect";

/** The peer of a call that does not leave the process. */
export const insidePeer = "process";

/** An IP address; under mutual TLS the names of the certificate, such as "orders.ordermesh"; or "process" for a co-located service. */
export const peerKey = createContextKey<string>(insidePeer, { description: "peer of the call" });
