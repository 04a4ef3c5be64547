// Statements that are given to a connection at the same moment leave in one packet: a system call costs more than its bytes.
import type { Socket } from "node:net";
import type pg from "pg";

/** Hears of what is sent. */
export interface Sending {
  /** A packet with so many statements, which is one way to the server. */
  sent(statements: number): void;
}

/** From now on what the connection is given is held until the work at hand is done, and then written at once. */
export function sendTogether(client: pg.PoolClient, sending?: Sending): void {
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  const query = client.query.bind(client) as (...given: unknown[]) => unknown;
  let held = 0;
  const release = (): void => {
    sending?.sent(held);
    held = 0;
    stream.uncork();
  };
  const gathered = (...given: unknown[]): unknown => {
    if (held === 0) {
      stream.cork();
      process.nextTick(release);
    }
    held += 1;
    return query(...given);
  };
  client.query = gathered as typeof client.query;
}
