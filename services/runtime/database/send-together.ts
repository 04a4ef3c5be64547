// Statements that are given to a connection at the same moment leave in one packet: a system call costs more than its bytes.
import type { Socket } from "node:net";
import type pg from "pg";

/** From now on what the connection is given is held until the work at hand is done, and then written at once. */
export function sendTogether(client: pg.PoolClient): void {
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  const query = client.query.bind(client) as (...given: unknown[]) => unknown;
  let isHeld = false;
  const release = (): void => {
    isHeld = false;
    stream.uncork();
  };
  const gathered = (...given: unknown[]): unknown => {
    if (!isHeld) {
      isHeld = true;
      stream.cork();
      process.nextTick(release);
    }
    return query(...given);
  };
  client.query = gathered as typeof client.query;
}
