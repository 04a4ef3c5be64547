// Ports that are known before anybody listens on them.
import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";

/** Below what Linux gives to connections and to whoever listens on port 0, so that nobody takes one by chance. */
const range = { from: 20_000, to: 32_000 };

function listen(port: number): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

/** So many different ports of the loopback interface on which nobody listens. */
export async function freePorts(count: number): Promise<number[]> {
  const held = new Map<number, Server>();
  while (held.size < count) {
    const port = randomInt(range.from, range.to);
    const server = held.has(port) ? undefined : await listen(port);
    if (server) held.set(port, server);
  }
  await Promise.all([...held.values()].map((server) => new Promise((resolve) => server.close(resolve))));
  return [...held.keys()];
}
