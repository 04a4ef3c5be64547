// Replicas that start together migrate a schema one after the other; schemas have nothing to do with each other, and do not wait.
import { PostgresAdapter, sql, type Kysely, type MigrationLockOptions } from "kysely";

/** Any number of ours, so that nobody else's lock is meant: the first half of an advisory lock's key. */
const lockClass = 0x6f72_6d73;
/** A migration takes what it takes, and replicas wait for it: so long no other statement may run. */
const statementTimeout = "10min";

/** Kysely has one lock for the whole database, for which a process with ten services waits ten times, and its replicas behind it. */
export class SchemaLockingAdapter extends PostgresAdapter {
  override async acquireMigrationLock(db: Kysely<never>, { lockTableSchema = "public" }: MigrationLockOptions): Promise<void> {
    await sql`set statement_timeout = ${sql.lit(statementTimeout)}`.execute(db);
    await sql`select pg_advisory_lock(${sql.lit(lockClass)}, hashtext(${lockTableSchema}))`.execute(db);
  }

  override async releaseMigrationLock(db: Kysely<never>, { lockTableSchema = "public" }: MigrationLockOptions): Promise<void> {
    await sql`select pg_advisory_unlock(${sql.lit(lockClass)}, hashtext(${lockTableSchema}))`.execute(db);
    await sql`reset statement_timeout`.execute(db);
  }
}
