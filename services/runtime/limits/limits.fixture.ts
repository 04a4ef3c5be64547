// Limits for tests: a clock that they move, settings of their own, and a reader of the headers that knows the draft's grammar.
import type { NatsConnection } from "@nats-io/transport-node";
import { Code, ConnectError } from "@connectrpc/connect";
import { RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import type { Caller } from "../access/caller.ts";
import { reasonOf } from "../errors.ts";
import { createLogger } from "../log.ts";
import { createMetrics } from "../metrics.ts";
import type { Environment } from "../settings.ts";
import { createLimits } from "./limits.ts";
import { readLimitSettings } from "./settings.ts";

export function testLimits({ env = {}, connection }: { env?: Environment; connection?: NatsConnection } = {}) {
  const clock = { nowMs: 1_000 };
  const metrics = createMetrics();
  const log = createLogger({ level: "silent" });
  const limits = createLimits({ settings: readLimitSettings(env), connection, metrics, log, nowMs: () => clock.nowMs });
  return { limits, metrics, clock };
}

export const testCaller = (change: Partial<Caller> = {}): Caller => ({
  subject: "ada",
  clientId: "shop",
  tenant: "demo",
  roles: ["customer"],
  scopes: new Set(),
  endMs: Number.POSITIVE_INFINITY,
  ...change,
});

export interface Outcome {
  /** "granted", or the refusal's code and reason. */
  outcome: string;
  retryMs: number | undefined;
  header: Headers;
}

/** What comes of one count. */
export function outcomeOf(count: (header: Headers) => void): Outcome {
  const header = new Headers();
  try {
    count(header);
    return { outcome: "granted", retryMs: undefined, header };
  } catch (error) {
    const refusal = ConnectError.from(error);
    return { outcome: `${Code[refusal.code]} ${reasonOf(refusal)}`, retryMs: retryMsOf(refusal), header };
  }
}

export const limited = "ResourceExhausted RATE_LIMITED";

/** How many of so many counts are granted. */
export const grantedOf = (times: number, count: (header: Headers) => void): number =>
  Array.from({ length: times }, () => outcomeOf(count)).filter(({ outcome }) => outcome === "granted").length;

export function retryMsOf(refusal: ConnectError): number | undefined {
  const delay = refusal.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return delay && Number(delay.seconds) * 1_000 + delay.nanos / 1e6;
}

export interface Item {
  name: string;
  parameters: Record<string, number>;
}

/**
 * A List of Strings with Integers as parameters (RFC 9651, sections 3.1, 3.3.1 and 3.3.3), which is what both headers are.
 * Throws at what is none.
 */
export function parseItems(text: string | null): Item[] {
  return (text ?? "").split(/[ \t]*,[ \t]*/).map((member) => {
    const item = /^"([\x20\x21\x23-\x5b\x5d-\x7e]+)"((?:; *[a-z*][a-z0-9_.*-]*=-?\d{1,15})*)$/.exec(member);
    if (!item) throw new Error(`not an item of the draft's grammar: ${member}`);
    const pairs = item[2]!
      .split(";")
      .slice(1)
      .map((pair) => pair.trim().split("=") as [string, string]);
    return { name: item[1]!, parameters: Object.fromEntries(pairs.map(([key, value]) => [key, Number(value)])) };
  });
}
