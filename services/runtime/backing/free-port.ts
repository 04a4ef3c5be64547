import assert from "node:assert/strict";
import { createServer } from "node:net";

/** A loopback TCP port that was free a moment ago; another process may take it before the caller does. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  assert(typeof address === "object" && address !== null, "a TCP server has an address while it listens");
  return address.port;
}
