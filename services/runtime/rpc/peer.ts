// Who is at the other end of a call's connection.
import { createContextKey } from "@connectrpc/connect";

/** How logs and histories name what a process does by itself. Only for people: nothing is decided by it. */
export const insidePeer = "process";

/**
 * An IP address; under mutual TLS the names of the certificate, such as "orders.ordermesh". Undefined for a co-located service: a
 * call that comes over a connection always has a text, so nobody is taken for one of this process by a name, whatever its
 * certificate says.
 */
export const peerKey = createContextKey<string | undefined>(undefined, { description: "peer of the call" });
