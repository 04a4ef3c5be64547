// A proxy in front of PostgreSQL that loses the answer to a COMMIT: the transaction is durable, and its client cannot know.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface LossyProxy {
  url: string;
  /** Answers to COMMIT that were lost so far. */
  lost(): number;
  /** From now on every n-th COMMIT loses its answer; 0 ends it. */
  loseEvery(nth: number): void;
  close(): Promise<void>;
}

export async function lossyProxy(databaseUrl: string): Promise<LossyProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let every = 0;
  let commits = 0;
  let lost = 0;

  const listener = createServer((client) => {
    const server = connect(Number(target.port), target.hostname);
    let isLosing = false;
    const breakBoth = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", breakBoth);
      socket.once("close", () => {
        sockets.delete(socket);
        breakBoth();
      });
    }
    client.on("data", (piece) => {
      if (every > 0 && isCommit(piece)) {
        commits += 1;
        isLosing = commits % every === 0;
      }
      server.write(piece);
    });
    server.on("data", (piece) => {
      if (!isLosing) {
        client.write(piece);
        return;
      }
      // It has answered, so it has committed.
      lost += 1;
      breakBoth();
    });
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  const url = new URL(databaseUrl);
  url.port = String(typeof address === "object" ? address?.port : "");
  return {
    url: url.href,
    lost: () => lost,
    loseEvery: (nth) => {
      every = nth;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, "close");
    },
  };
}

/** A simple query "commit". https://www.postgresql.org/docs/current/protocol-message-formats.html */
const isCommit = (piece: Buffer): boolean => piece[0] === "Q".charCodeAt(0) && piece.subarray(5, 11).toString() === "commit";
