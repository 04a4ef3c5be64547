// A TCP proxy between one process and one server, where the connection can be made to suffer.
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface Proxy {
  port: number;
  /** Breaks every connection that is open; new ones are let through. Answers how many there were. */
  cut(): number;
  /** While true, new connections are closed at once and open ones are broken. */
  refuse(refusing: boolean): void;
  /** How much later everything arrives, in either direction. Milliseconds. */
  delay(ms: number): void;
  /** While true, nothing passes and nobody is told: as when packets are lost on the way. */
  stall(stalling: boolean): void;
  close(): Promise<void>;
}

export async function startProxy(upstream: { host: string; port: number }): Promise<Proxy> {
  const open = new Set<Socket>();
  let isRefusing = false;
  let delayMs = 0;
  let stalled: PromiseWithResolvers<void> | undefined;

  /** One direction: piece by piece, so that the order stays and a slow reader holds back the writer. */
  const carry = async (from: Socket, to: Socket): Promise<void> => {
    for await (const piece of from) {
      if (delayMs > 0) await sleep(delayMs);
      await stalled?.promise;
      if (to.destroyed) return;
      if (!to.write(piece as Buffer)) await Promise.race([once(to, "drain"), once(to, "close")]);
    }
    to.end();
  };

  const accept = (client: Socket): void => {
    if (isRefusing) {
      client.destroy();
      return;
    }
    const server = connect(upstream.port, upstream.host);
    const both = [client, server];
    const breakBoth = (): void => both.forEach((socket) => socket.destroy());
    for (const socket of both) {
      socket.setNoDelay(true);
      open.add(socket);
      // A connection that breaks is what this is for.
      socket.on("error", breakBoth);
      socket.once("close", () => {
        open.delete(socket);
        breakBoth();
      });
    }
    carry(client, server).catch(breakBoth);
    carry(server, client).catch(breakBoth);
  };

  const listener = createServer({ allowHalfOpen: true }, accept);
  const port = await listen(listener);
  const cut = (): number => {
    const pairs = Math.ceil(open.size / 2);
    for (const socket of open) socket.destroy();
    return pairs;
  };
  return {
    port,
    cut,
    refuse: (refusing) => {
      isRefusing = refusing;
      if (refusing) cut();
    },
    delay: (ms) => {
      delayMs = ms;
    },
    stall: (stalling) => {
      if (stalling) stalled ??= Promise.withResolvers();
      else {
        stalled?.resolve();
        stalled = undefined;
      }
    },
    close: async () => {
      stalled?.resolve();
      cut();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

async function listen(listener: Server): Promise<number> {
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (typeof address !== "object" || !address) throw new Error("a TCP server has an address while it listens");
  return address.port;
}
