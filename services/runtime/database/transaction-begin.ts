// A transaction's BEGIN travels with its first statement: waited for alone it costs a way to the server and back, in which
// nothing is done.
import {
  CompiledQuery,
  PostgresDialect,
  PostgresDriver,
  type DatabaseConnection,
  type Driver,
  type TransactionSettings,
} from "kysely";

class PromptDriver extends PostgresDriver {
  override async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    if (settings.isolationLevel || settings.accessMode) return super.beginTransaction(connection, settings);
    // BEGIN fails only with its connection, or inside a transaction that has failed; then what follows fails as well, and
    // says why.
    connection.executeQuery(CompiledQuery.raw("begin")).catch(() => {});
  }
}

/** For connections that answer in the order in which they were asked, which pg's pipelines do. */
export class PromptDialect extends PostgresDialect {
  readonly #config: ConstructorParameters<typeof PostgresDialect>[0];

  constructor(config: ConstructorParameters<typeof PostgresDialect>[0]) {
    super(config);
    this.#config = config;
  }

  override createDriver(): Driver {
    return new PromptDriver(this.#config);
  }
}
