// How much somebody may ask: the size of a bucket of tokens, of which each request takes one.

/** What a plan is for; clients and metrics see it by this name. */
export const planNames = ["customer", "operator", "anonymous", "sign_in", "sign_in_client", "tokens", "tokens_client"] as const;
export type PlanName = (typeof planNames)[number];

export interface Plan {
  name: PlanName;
  /** Tokens of a full bucket: so many requests may come at once. */
  burst: number;
  /** One token comes back in so many milliseconds. */
  intervalMs: number;
  /**
   * Value of the header RateLimit-Policy: the burst, and the seconds in which an empty bucket is full again
   * (draft-ietf-httpapi-ratelimit-headers-11, section 3).
   */
  policy: string;
}

/** A plan of so many requests in so many seconds, all of which may come at once; at least one may. */
export function planOf(name: PlanName, { requests, seconds }: { requests: number; seconds: number }): Plan {
  const burst = Math.max(1, Math.floor(requests));
  const intervalMs = (seconds * 1_000) / requests;
  // Up, so that whoever keeps to it is never refused; by a thousandth less, which is what fractions of a float may add.
  const window = Math.max(1, Math.ceil((burst * intervalMs) / 1_000 - 0.001));
  return { name, burst, intervalMs, policy: `"${name}";q=${burst};w=${window}` };
}
