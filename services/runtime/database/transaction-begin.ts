// A transaction's BEGIN travels with its first statement: waited for alone it costs a way to the server and back, in which
// nothing is done. With it goes whose rows the transaction is about.
import {
  CompiledQuery,
  PostgresDialect,
  PostgresDriver,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
  type TransactionSettings,
} from "kysely";
import { SchemaLockingAdapter } from "./migration-lock.ts";
import type { Scope } from "./scope.ts";

/** BEGIN fails only with its connection, or inside a transaction that has failed; then what follows fails as well, and says why. */
const ignoreFailure = (): void => {};

class PromptDriver extends PostgresDriver {
  override async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    if (settings.isolationLevel || settings.accessMode) return super.beginTransaction(connection, settings);
    connection.executeQuery(CompiledQuery.raw("begin")).catch(ignoreFailure);
  }
}

type PoolConnection = Parameters<PostgresDriver["releaseConnection"]>[0];

/** A connection whose every statement belongs to a transaction with a scope: a statement alone gets one of its own. */
class ScopedConnection implements DatabaseConnection {
  readonly inner: PoolConnection;
  readonly #scope: Scope;
  isInTransaction = false;

  constructor(inner: PoolConnection, scope: Scope) {
    this.inner = inner;
    this.#scope = scope;
  }

  begin(): void {
    const begin = CompiledQuery.raw(`begin; ${this.#scope()}`);
    this.isInTransaction = true;
    this.inner.executeQuery(begin).catch(ignoreFailure);
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.isInTransaction) return this.inner.executeQuery<Row>(query);
    this.begin();
    this.isInTransaction = false;
    // All three are given at once, so they leave in one packet. A statement that fails makes the COMMIT a ROLLBACK.
    const answer = this.inner.executeQuery<Row>(query);
    const [answered, committed] = await Promise.allSettled([answer, this.inner.executeQuery(CompiledQuery.raw("commit"))]);
    if (answered.status === "rejected") throw answered.reason;
    if (committed.status === "rejected") throw committed.reason;
    return answered.value;
  }

  streamQuery(): never {
    throw new Error("a scoped connection answers all rows at once");
  }
}

class ScopedDriver implements Driver {
  readonly #driver: PostgresDriver;
  readonly #scope: Scope;

  constructor(driver: PostgresDriver, scope: Scope) {
    this.#driver = driver;
    this.#scope = scope;
  }

  init(...given: Parameters<PostgresDriver["init"]>): Promise<void> {
    return this.#driver.init(...given);
  }

  async acquireConnection(...given: Parameters<PostgresDriver["acquireConnection"]>): Promise<ScopedConnection> {
    return new ScopedConnection((await this.#driver.acquireConnection(...given)) as PoolConnection, this.#scope);
  }

  beginTransaction(connection: ScopedConnection, settings: TransactionSettings): Promise<void> {
    // Whoever needs one gives it a place in the packet with BEGIN.
    if (settings.isolationLevel || settings.accessMode) throw new Error("a scoped transaction has the default isolation");
    connection.begin();
    return Promise.resolve();
  }

  commitTransaction(connection: ScopedConnection): Promise<void> {
    connection.isInTransaction = false;
    return this.#driver.commitTransaction(connection.inner);
  }

  rollbackTransaction(connection: ScopedConnection): Promise<void> {
    connection.isInTransaction = false;
    return this.#driver.rollbackTransaction(connection.inner);
  }

  releaseConnection(connection: ScopedConnection): Promise<void> {
    return this.#driver.releaseConnection(connection.inner);
  }

  destroy(): Promise<void> {
    return this.#driver.destroy();
  }
}

/** For connections that answer in the order in which they were asked, which pg's pipelines do. */
export class PromptDialect extends PostgresDialect {
  readonly #config: ConstructorParameters<typeof PostgresDialect>[0];
  readonly #scope: Scope | undefined;

  /** Without a scope nothing is said of tenants: what the connection says holds. */
  constructor(config: ConstructorParameters<typeof PostgresDialect>[0], scope?: Scope) {
    super(config);
    this.#config = config;
    this.#scope = scope;
  }

  override createAdapter(): SchemaLockingAdapter {
    return new SchemaLockingAdapter();
  }

  override createDriver(): Driver {
    return this.#scope ? new ScopedDriver(new PostgresDriver(this.#config), this.#scope) : new PromptDriver(this.#config);
  }
}
