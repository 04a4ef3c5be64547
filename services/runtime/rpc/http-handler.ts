// What answers a request of either HTTP version.
import type { connectNodeAdapter } from "@connectrpc/connect-node";

export type HttpHandler = ReturnType<typeof connectNodeAdapter>;
