// How much each kind of caller may ask where its token does not say.
import type { Role } from "../access/claims.ts";
import { numberSetting, type Environment } from "../settings.ts";
import type { LimitName } from "./method-limit.ts";
import { planOf, type Plan, type PlanName } from "./plan.ts";

/** Undefined where there is no limit. */
export interface LimitSettings {
  /** Of callers with a token, but for services. */
  roles: Record<Exclude<Role, "service">, Plan | undefined>;
  /** Of an address, for calls without a token. */
  anonymous: Plan | undefined;
  /** Of methods with a limit of their own. */
  own: Record<LimitName, { address: Plan | undefined; client: Plan | undefined }>;
  /** A bucket holds what comes in so many seconds. */
  burstSeconds: number;
}

const perSecondMax = 1_000_000;
const bound = { min: 0, max: perSecondMax };

export function readLimitSettings(env: Environment): LimitSettings {
  const burstSeconds = numberSetting(env, "ORDERMESH_RATE_BURST_SECONDS", { fallback: 10, min: 1, max: 3_600 });
  const perSecond = (name: PlanName, rate: number): Plan | undefined =>
    rate === 0 ? undefined : ratePlan(name, rate, burstSeconds);
  const perMinute = (name: PlanName, requests: number): Plan | undefined =>
    requests === 0 ? undefined : planOf(name, { requests, seconds: 60 });
  const customer = numberSetting(env, "ORDERMESH_RATE_CUSTOMER", { fallback: 20, ...bound });
  const operator = numberSetting(env, "ORDERMESH_RATE_OPERATOR", { fallback: 100, ...bound });
  const anonymous = numberSetting(env, "ORDERMESH_RATE_ANONYMOUS", { fallback: 20, ...bound });
  const signIn = numberSetting(env, "ORDERMESH_SIGN_INS_PER_MINUTE", { fallback: 20, ...bound });
  const signInClient = numberSetting(env, "ORDERMESH_SIGN_INS_PER_MINUTE_OF_CLIENT", { fallback: 600, ...bound });
  const tokens = numberSetting(env, "ORDERMESH_TOKENS_PER_MINUTE", { fallback: 120, ...bound });
  const tokensClient = numberSetting(env, "ORDERMESH_TOKENS_PER_MINUTE_OF_CLIENT", { fallback: 600, ...bound });
  return {
    roles: { customer: perSecond("customer", customer), operator: perSecond("operator", operator) },
    anonymous: perSecond("anonymous", anonymous),
    own: {
      sign_in: { address: perMinute("sign_in", signIn), client: perMinute("sign_in_client", signInClient) },
      tokens: { address: perMinute("tokens", tokens), client: perMinute("tokens_client", tokensClient) },
    },
    burstSeconds,
  };
}

/** @param perSecond Requests, above zero. */
export function ratePlan(name: PlanName, perSecond: number, burstSeconds: number): Plan {
  const requests = perSecond * burstSeconds;
  // Where less than one comes in that time, the bucket of one takes longer to fill.
  return requests >= 1
    ? planOf(name, { requests, seconds: burstSeconds })
    : planOf(name, { requests: 1, seconds: 1 / perSecond });
}
