// Refusals of access are written down too, but nobody can fill the log with them.
import { Code, ConnectError } from "@connectrpc/connect";
import type { DescMethod } from "@bufbuild/protobuf";
import type { Transaction } from "kysely";
import { LRUCache } from "lru-cache";
import { actFor } from "../database/scope.ts";
import { reasonOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { RequestContext } from "../request-context.ts";
import { refusalEntry } from "./entry.ts";
import { appendEntries } from "./record.ts";

/** One entry for the same caller, method and reason in this time. Milliseconds. */
const sameEveryMs = 60_000;
const rememberedMax = 10_000;
/** Entries that are being written at once; what comes meanwhile is only counted. */
const writingMax = 10;

/** Of a service, over all tenants. */
export interface RefusalWriter {
  transaction<Result>(work: (tx: Transaction<never>) => Promise<Result>): Promise<Result>;
}

export interface RefusalOptions {
  /** The service whose log it belongs to. */
  writerOf: (method: DescMethod) => RefusalWriter | undefined;
  metrics: Metrics;
  log: Logger;
}

/**
 * Hears of calls that were refused, and writes those down that were refused because of who called (PERMISSION_DENIED). In a
 * transaction of its own, which the caller does not wait for; where it fails, the line in the log is all there is.
 */
export function createRefusalLog({ writerOf, metrics, log }: RefusalOptions) {
  const written = new LRUCache<string, true>({ max: rememberedMax, ttl: sameEveryMs });
  const unwritten = metrics.counter(
    "ordermesh_audit_log_refusals_unwritten_total",
    "Refusals of access that got no entry of their own in the audit log",
  );
  let writing = 0;
  return (method: DescMethod, context: RequestContext, error: unknown): void => {
    if (!(error instanceof ConnectError) || error.code !== Code.PermissionDenied) return;
    const entry = refusalEntry(context, reasonOf(error) ?? "");
    const same = JSON.stringify([entry.tenant, entry.subject, entry.clientId, entry.method, entry.reason]);
    const writer = writerOf(method);
    if (!writer || !context.caller || written.has(same) || writing >= writingMax) {
      unwritten.inc();
      return;
    }
    written.set(same, true);
    writing += 1;
    writer
      .transaction(async (tx) => {
        await actFor(tx, entry.tenant);
        await appendEntries(tx, [entry]);
      })
      .catch((problem: unknown) => log.warn({ method: entry.method, error: (problem as Error).message }, "refusal_not_written"))
      .finally(() => {
        writing -= 1;
      });
  };
}
