// The statements of a transaction that do not need each other's answers travel together.
import type { ConnectionProvider, DatabaseConnection, Kysely } from "kysely";

/**
 * Kysely sends a transaction's statement when the one before is answered. The connection keeps their order by itself, so here
 * each is sent at once; who needs an answer waits for it. After a failure the server refuses what else was sent.
 */
export function pipelined<Tables>(db: Kysely<Tables>): Kysely<Tables> {
  const executor = db.getExecutor();
  const withConnectionProvider = executor.withConnectionProvider.bind(executor);
  executor.withConnectionProvider = (provider) => withConnectionProvider(atOnce(provider));
  return db;
}

/** For a provider of one connection. */
function atOnce(provider: ConnectionProvider): ConnectionProvider {
  let provided: Promise<DatabaseConnection> | undefined;
  return {
    provideConnection: async (consumer) => {
      provided ??= provider.provideConnection((connection) => Promise.resolve(connection));
      return consumer(await provided);
    },
  };
}
