// What a limited caller reads: how much it may ask and how much of it is left, and when it asks too much, when to come again.
import { Code, type ConnectError } from "@connectrpc/connect";
import { RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { refuse } from "../errors.ts";
import type { Plan } from "./plan.ts";

/** Names of the headers in draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4. */
export const policyHeader = "ratelimit-policy";
export const limitHeader = "ratelimit";
export const rateLimited = "RATE_LIMITED";

/** What is left; of several plans that count a call, each. */
export function tellLeft(header: Headers, plan: Plan, left: number): void {
  header.append(policyHeader, plan.policy);
  header.append(limitHeader, `"${plan.name}";r=${left}`);
}

/**
 * RESOURCE_EXHAUSTED with RATE_LIMITED and RetryInfo; the headers go into those of the answer, because they must not stand among
 * its trailers, into which gRPC would put those of the error.
 */
export function refuseLimited(header: Headers, plan: Plan, waitMs: number): ConnectError {
  const retryMs = Math.ceil(waitMs);
  const seconds = Math.ceil(retryMs / 1_000);
  header.append(policyHeader, plan.policy);
  // No more than nothing can be used until then (section 4.1.2); Retry-After must not be earlier (section 6).
  header.append(limitHeader, `"${plan.name}";r=0;t=${seconds}`);
  header.set("retry-after", String(seconds));
  const whole = Math.floor(retryMs / 1_000);
  const retryDelay = { seconds: BigInt(whole), nanos: (retryMs - whole * 1_000) * 1_000_000 };
  const message = `more requests than ${plan.policy} allows; try again in ${seconds} s`;
  const detail = { desc: RetryInfoSchema, value: { retryDelay } };
  return refuse(Code.ResourceExhausted, rateLimited, message, { policy: plan.name }, [detail]);
}
