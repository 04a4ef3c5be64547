// One pool per service, bound to the service's own schema.
import { Kysely, type Transaction } from "kysely";
import pg from "pg";
import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";
import { giveTime } from "./given-time.ts";
import { expectLateWrites, failureOf } from "./late-writes.ts";
import { noWork, workWrittenIn, type WrittenWork } from "./written-work.ts";
import { pipelined } from "./pipelined.ts";
import { PromptDialect } from "./transaction-begin.ts";
import { applicationRole } from "./application-role.ts";
import { writeArrays } from "./array-literals.ts";
import { nameStatements } from "./named-statements.ts";
import { everyTenant, tenantOfRequest, type Scope } from "./scope.ts";
import { sendTogether, type Sending } from "./send-together.ts";

export interface Handle<Tables> {
  db: Kysely<Tables>;
  /** Runs work in one transaction and calls onCommit once it is durable. */
  transaction<Result>(work: (tx: Transaction<Tables>) => Promise<Result>): Promise<Result>;
}

/** By itself it is for the tenant of the request or event that it is used in, and throws outside of both. */
export interface ServiceDatabase<Tables> extends Handle<Tables> {
  /** Over all tenants, for work that is none's. */
  system: Handle<Tables>;
  close(): Promise<void>;
}

// int8 comes as text by default. Our numbers (minor units, units of stock, sequences) stay far below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, (text) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new Error(`bigint ${text} is beyond what a number can hold`);
  return value;
});

const connectTimeoutMs = 2_000;
/** No statement of ours may run longer: one that does is a mistake, and would hold up the relay's horizon. */
const statementTimeoutMs = 10_000;

/**
 * Statements are named, and go by keys: planned once a connection and not, as the server would for some, at every call. A table may
 * be nearly empty when it is planned for and hold thousands of rows a second later, as those of work that waits do, so an index must
 * not seem dear, which it is for disks that turn, and no table is read as a whole that could be read by one.
 */
const planning = ["plan_cache_mode=force_generic_plan", "random_page_cost=1.1", "enable_seqscan=off", "jit=off"];
const asOf = { owner: "ordermesh.system=on", application: `role=${applicationRole}` };

export function connectDatabase<Tables>(options: {
  url: string;
  /**
   * The work runs as the application, which sees of each tenant only what the transaction is for. The owner makes and keeps the
   * tables, over all tenants.
   */
  as: "application" | "owner";
  schema: string;
  connectionsMax: number;
  log: Logger;
  /** Called after a commit, with what the transaction has left to be done. */
  onCommit: (written: WrittenWork) => void;
  /** Hears of each packet with statements. */
  sending?: Sending;
  /** For tests with a time of their own; else what is planned counts from the database's. */
  clock?: Clock | undefined;
}): ServiceDatabase<Tables> {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.connectionsMax,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: statementTimeoutMs,
    application_name: `ordermesh ${options.schema}`,
    options: [`search_path=${options.schema}`, ...planning, asOf[options.as]].map((setting) => `-c ${setting}`).join(" "),
    // Statements of one transaction that do not need each other's answers may be sent together: one way to the server and back.
    pipeline: true,
  });
  // Without listeners the end of a connection would end the process: the pool speaks for connections that are idle, the
  // connection itself where a transaction is between two statements.
  let closed: Promise<void> | undefined;
  const onLost = (error: Error): void => {
    // A server that stops at the same time as we do is no news.
    if (!closed) options.log.warn({ schema: options.schema, error: error.message }, "database_connection_lost");
  };
  pool.on("error", onLost);
  pool.on("connect", (client) => {
    client.on("error", onLost);
    nameStatements(client);
    writeArrays(client);
    sendTogether(client, options.sending);
  });
  const handle = (scope?: Scope): Handle<Tables> => {
    const db = pipelined(new Kysely<Tables>({ dialect: new PromptDialect({ pool }, scope) }));
    return { db, transaction: (work) => runTransaction(db, options, work) };
  };
  const own = options.as === "owner" ? handle() : handle(tenantOfRequest);
  return {
    ...own,
    system: options.as === "owner" ? own : handle(everyTenant),
    close: () => (closed ??= pool.end()),
  };
}

async function runTransaction<Tables, Result>(
  db: Kysely<Tables>,
  { clock, onCommit }: { clock?: Clock | undefined; onCommit: (written: WrittenWork) => void },
  work: (tx: Transaction<Tables>) => Promise<Result>,
): Promise<Result> {
  let written = noWork;
  let late: readonly Promise<unknown>[] = [];
  const committed = db.transaction().execute(async (tx) => {
    late = await expectLateWrites(tx);
    if (clock) giveTime(tx, clock.now());
    const done = await work(tx);
    written = workWrittenIn(tx);
    return done;
  });
  const result = await committed.catch(async (error: unknown) => {
    // What came after a failed write was refused because of it, and only that it says.
    throw (await failureOf(late))?.error ?? error;
  });
  onCommit(written);
  return result;
}
