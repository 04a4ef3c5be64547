// Counts requests, each once where it comes in, and refuses those of somebody who asks for more than its share.
import type { NatsConnection } from "@nats-io/transport-node";
import { isOnlyCustomer, type Caller } from "../access/caller.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { createBuckets, type Buckets } from "./buckets.ts";
import { addressKey } from "./client-address.ts";
import type { LimitName } from "./method-limit.ts";
import type { Plan } from "./plan.ts";
import { refuseLimited, tellLeft } from "./rate-limited.ts";
import { ratePlan, type LimitSettings } from "./settings.ts";
import { shareGrants, type SharedGrants } from "./share-grants.ts";

/**
 * Each takes a token and tells in the answer's header what is left.
 *
 * @throws ConnectError RESOURCE_EXHAUSTED with RATE_LIMITED and the time after which there is a token again.
 */
export interface Limits {
  countCaller(caller: Caller, header: Headers): void;
  countAddress(address: string, header: Headers): void;
  /** The limits that a method has of its own. */
  countAddressOf(limit: LimitName, address: string, header: Headers): void;
  countClientOf(limit: LimitName, clientId: string, header: Headers): void;
  buckets: Pick<Buckets, "count">;
  close(): void;
}

export interface LimitsOptions {
  settings: LimitSettings;
  /** By which processes tell each other; without it each limits by itself. */
  connection?: NatsConnection | undefined;
  metrics: Metrics;
  log: Logger;
  /** Never goes back. Milliseconds since any time. */
  nowMs?: () => number;
}

interface Share {
  plan: Plan;
  key: string;
}

const logEveryMs = 5_000;

export function createLimits({ settings, connection, metrics, log, nowMs = () => performance.now() }: LimitsOptions): Limits {
  let shared: SharedGrants | undefined;
  const buckets = createBuckets({ nowMs, onUntold: (...untold) => shared?.note(...untold) });
  if (connection) shared = shareGrants(connection, buckets);
  const report = createReport(metrics, log);
  // A caller is the same object for as long as its token is in use.
  const shares = new WeakMap<Caller, Share | "unlimited">();

  const count = (plan: Plan | undefined, key: string, header: Headers): void => {
    if (!plan) return;
    const left = buckets.take(plan, key);
    if (left !== undefined) return tellLeft(header, plan, left);
    report.refused(plan);
    throw refuseLimited(header, plan, buckets.waitMs(plan, key));
  };
  return {
    countCaller: (caller, header) => {
      const share = shares.get(caller) ?? shareOf(caller, settings);
      shares.set(caller, share);
      if (share !== "unlimited") count(share.plan, share.key, header);
    },
    countAddress: (address, header) => count(settings.anonymous, addressKey(address), header),
    countAddressOf: (limit, address, header) => count(settings.own[limit].address, addressKey(address), header),
    countClientOf: (limit, clientId, header) => count(settings.own[limit].client, clientId, header),
    buckets,
    close: () => shared?.close(),
  };
}

/**
 * A client has a bucket for each shop that it works for. All customers of a shop come by the same public client: each of them has
 * a bucket of its own, or one could use up what the others need.
 */
function shareOf(caller: Caller, { roles, burstSeconds }: LimitSettings): Share | "unlimited" {
  const { tenant, clientId, subject, rateLimit } = caller;
  if (caller.roles.includes("service")) return "unlimited";
  const role = isOnlyCustomer(caller) ? "customer" : "operator";
  const isTold = rateLimit !== undefined && Number.isFinite(rateLimit) && rateLimit > 0;
  const plan = isTold ? ratePlan(role, rateLimit, burstSeconds) : roles[role];
  if (!plan) return "unlimited";
  return { plan, key: role === "customer" ? `${tenant} ${clientId} ${subject}` : `${tenant} ${clientId}` };
}

/** Figures by plan, and a line of the log now and then: one for each refusal would cost more than the refusal. */
function createReport(metrics: Metrics, log: Logger) {
  const refused = metrics.counter("ordermesh_calls_rate_limited_total", "Calls refused because their caller asked too much", [
    "plan",
  ]);
  let refusals: Record<string, number> = {};
  let logAfterMs = 0;
  return {
    refused: ({ name }: Plan): void => {
      refused.inc({ plan: name });
      refusals[name] = (refusals[name] ?? 0) + 1;
      const now = performance.now();
      if (now < logAfterMs) return;
      log.warn({ refused: refusals }, "calls_rate_limited");
      logAfterMs = now + logEveryMs;
      refusals = {};
    },
  };
}
