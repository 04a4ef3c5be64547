// Limits at the door of the RPCs, and callers whose tokens are their names.
import { unauthenticated } from "#runtime/access/authorize.ts";
import type { Caller } from "#runtime/access/caller.ts";
import type { VerifyToken } from "#runtime/access/verify-token.ts";
import { readTrustedProxies } from "#runtime/limits/client-address.ts";
import { testCaller, testLimits } from "#runtime/limits/limits.fixture.ts";
import { createVouching, type Vouching } from "#runtime/limits/vouching.ts";
import type { Environment } from "#runtime/settings.ts";
import { createOriginOf, type OriginOf } from "./call-origin.ts";
import { createCallLimits, type CallLimits } from "./limit-calls.ts";
import { silentLog } from "./testing.fixture.ts";

const known: Record<string, Caller> = {
  ada: testCaller({ token: "ada", scopes: new Set(["orders:read"]) }),
  bob: testCaller({ token: "bob", subject: "bob" }),
  operator: testCaller({ token: "operator", roles: ["operator"], subject: "staff", clientId: "staff" }),
  service: testCaller({ token: "service", roles: ["service"], subject: "orders", clientId: "orders" }),
};

export const namesAsTokens: VerifyToken = (token) => {
  const caller = known[token];
  return caller ? Promise.resolve(caller) : Promise.reject(unauthenticated("TOKEN_INVALID", "the access token is not valid"));
};

export const testVouching = (secret = "shared"): Vouching => createVouching({ key: () => Buffer.from(secret), log: silentLog });

/** Three at once for everybody; the clock of the limits stands until a test moves it. */
export const threeEach: Environment = {
  ORDERMESH_RATE_BURST_SECONDS: "1",
  ORDERMESH_RATE_CUSTOMER: "3",
  ORDERMESH_RATE_OPERATOR: "3",
  ORDERMESH_RATE_ANONYMOUS: "3",
};

export interface TestCallLimits {
  limits: CallLimits;
  originOf: OriginOf;
  /** Lets the time pass. Milliseconds. */
  pass(ms: number): void;
}

export function testCallLimits(env: Environment = threeEach, vouching = testVouching()): TestCallLimits {
  const { limits, clock } = testLimits({ env });
  return {
    limits: createCallLimits(limits),
    originOf: createOriginOf({ trustsProxy: readTrustedProxies(env), vouching }),
    pass: (ms) => {
      clock.nowMs += ms;
    },
  };
}
