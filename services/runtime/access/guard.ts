// Verifies tokens for a whole process: with identity's keys, and without what was revoked.
import { createClient, type Transport } from "@connectrpc/connect";
import { KeysService } from "#gen/ordermesh/identity/v1/keys_service_pb.ts";
import type { Clock } from "../clock.ts";
import type { Bus } from "../events/bus.ts";
import { askedByProcess } from "../limits/asked-from.ts";
import type { Logger } from "../log.ts";
import { followRevocations } from "./follow-revocations.ts";
import { createKeys } from "./keys.ts";
import { createRevoked } from "./revoked.ts";
import { createFollowToken, type FollowToken } from "./token-life.ts";
import { createVerifier, type VerifyToken } from "./verify-token.ts";

export interface Guard {
  verify: VerifyToken;
  /** Hears of the end of a token that was verified. */
  follow: FollowToken;
  /** Resolves when everything that was revoked before is known; then calls may come. */
  begin(): Promise<void>;
  stop(): void;
}

export interface GuardOptions {
  issuer: string;
  /** The way to identity. Asked for at the first token. */
  transportToKeys: () => Transport;
  /** Undefined in a process that has no events: whomever it calls verifies again. */
  bus: Bus | undefined;
  clock: Clock;
  log: Logger;
}

/** Identity has so long to say its keys. Milliseconds. */
const keysTimeoutMs = 3_000;

export function createGuard({ issuer, transportToKeys, bus, clock, log }: GuardOptions): Guard {
  const revoked = createRevoked(clock);
  const keys = createKeys(
    // For everybody whose token comes next, not only for whose came first.
    () =>
      askedByProcess(
        async () => (await createClient(KeysService, transportToKeys()).listKeys({}, { timeoutMs: keysTimeoutMs })).keys,
      ),
  );
  let following: ReturnType<typeof followRevocations> | undefined;
  return {
    verify: createVerifier({ issuer, keys, revoked, clock }),
    follow: createFollowToken({ revoked, clock }),
    begin: async () => {
      if (!bus) return;
      following = followRevocations({ bus, revoked, log });
      await following.caughtUp;
    },
    stop: () => following?.stop(),
  };
}
