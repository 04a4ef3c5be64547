// How long a token is good: until its time is over or it is revoked, also while a stream is open that it has opened.
import type { ConnectError } from "@connectrpc/connect";
import type { Clock } from "../clock.ts";
import { unauthenticated } from "./authorize.ts";
import type { Caller } from "./caller.ts";
import { allOf, type Revoked } from "./revoked.ts";

/** Clocks of two machines may differ by so much. Seconds. */
export const clockToleranceSeconds = 5;
/** A timer of Node's cannot be set for longer. Milliseconds. */
const timerMsMax = 2_147_483_647;

export interface TokenLife {
  revoked: Revoked;
  clock: Clock;
}

export const expired = (): ConnectError => unauthenticated("TOKEN_EXPIRED", "the access token has expired");

/** @throws ConnectError UNAUTHENTICATED with TOKEN_EXPIRED or TOKEN_REVOKED. */
export function assertGood(caller: Caller, { revoked, clock }: TokenLife): void {
  if (leftMs(caller, clock) <= 0) throw expired();
  if (revoked.holds(caller)) throw unauthenticated("TOKEN_REVOKED", "the access token was revoked");
}

const leftMs = ({ endMs }: Caller, clock: Clock): number => endMs + clockToleranceSeconds * 1_000 - clock.now().getTime();

/**
 * Calls back once, when the token is no longer good, with what a new call would be told. Returns how to stop listening.
 *
 * @throws ConnectError as assertGood, where it is not good already.
 */
export type FollowToken = (caller: Caller, onEnd: (refusal: ConnectError) => void) => () => void;

export function createFollowToken(life: TokenLife): FollowToken {
  return (caller, onEnd) => {
    assertGood(caller, life);
    let timer: NodeJS.Timeout | undefined;
    const look = (): void => {
      clearTimeout(timer);
      try {
        assertGood(caller, life);
      } catch (refusal) {
        stop();
        onEnd(refusal as ConnectError);
        return;
      }
      const waitMs = leftMs(caller, life.clock);
      // What has no end needs no timer: a service of this process.
      if (Number.isFinite(waitMs)) timer = setTimeout(look, Math.min(waitMs, timerMsMax)).unref();
    };
    const ids = [caller.tokenId, caller.sessionId, allOf(caller.tenant)].filter((id) => id !== undefined);
    const hearing = ids.map((id) => life.revoked.hear(id, look));
    const stop = (): void => {
      clearTimeout(timer);
      for (const leave of hearing) leave();
    };
    look();
    return stop;
  };
}
