// Tokens that are no longer good although their time is not over, as far as this process has heard.
import type { Clock } from "../clock.ts";
import type { Caller } from "./caller.ts";

export interface Revoked {
  /** By claim "jti" or "sid"; kept until the time, in milliseconds since 1970. */
  add(id: string, endMs: number): void;
  holds(caller: Pick<Caller, "tokenId" | "sessionId">): boolean;
}

const sweepEveryMs = 60_000;

export function createRevoked(clock: Clock): Revoked {
  const ends = new Map<string, number>();
  let sweepMs = 0;
  const sweep = (nowMs: number): void => {
    if (nowMs < sweepMs) return;
    sweepMs = nowMs + sweepEveryMs;
    for (const [id, endMs] of ends) if (endMs < nowMs) ends.delete(id);
  };
  return {
    add: (id, endMs) => {
      sweep(clock.now().getTime());
      ends.set(id, Math.max(endMs, ends.get(id) ?? 0));
    },
    holds: ({ tokenId, sessionId }) =>
      (tokenId !== undefined && ends.has(tokenId)) || (sessionId !== undefined && ends.has(sessionId)),
  };
}
