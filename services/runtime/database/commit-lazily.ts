// A commit that need not be waited for until it is on the disk.
import { sql } from "kysely";

/**
 * A condition, always true: the transaction of the statement does not wait for the disk. A server that fails may lose it within
 * a moment, so it is for notes whose loss means a repeat and nothing worse. Whatever commits later takes it to the disk as well.
 * (PostgreSQL manual, "Asynchronous Commit".)
 */
export const commitLazily = sql<boolean>`(select set_config('synchronous_commit', 'off', true)) = 'off'`;
