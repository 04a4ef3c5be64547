// Writes whose answers nobody needs travel with the commit: it is a way to the server and back less in every transaction.
import type { DatabaseConnection, RawBuilder, Transaction } from "kysely";

interface Late {
  connection: DatabaseConnection;
  writes: Promise<unknown>[];
}

const expected = new WeakMap<object, Late>();

/** From now on the transaction's late writes are waited for with its commit. Answers them, also those to come. */
export async function expectLateWrites<Tables>(tx: Transaction<Tables>): Promise<readonly Promise<unknown>[]> {
  const connection = await tx.getExecutor().provideConnection((provided) => Promise.resolve(provided));
  const writes: Promise<unknown>[] = [];
  expected.set(tx, { connection, writes });
  return writes;
}

/**
 * Ends when the write is sent, where the transaction expects late writes. Should it fail, so does the commit. Only for a write
 * of which nothing but its failure is to be known; it may be sent before statements that were begun and not waited for.
 */
export async function writeLate<Tables>(tx: Transaction<Tables>, write: RawBuilder<unknown>): Promise<void> {
  const late = expected.get(tx);
  if (!late) {
    await write.execute(tx);
    return;
  }
  // Given to the connection here and now: by way of Kysely it would be a moment later, and the commit might overtake it.
  const writing = late.connection.executeQuery(write.compile(tx));
  late.writes.push(writing);
  // Whoever waits for the commit hears of it.
  writing.catch(() => {});
}

/** What the first of them that failed has met; undefined where none has. Waits until all are answered. */
export async function failureOf(writes: readonly Promise<unknown>[]): Promise<{ error: unknown } | undefined> {
  const results = await Promise.allSettled(writes);
  const failed = results.find((result) => result.status === "rejected");
  return failed && { error: failed.reason };
}
