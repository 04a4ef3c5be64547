// Tokens that are no longer good although their time is not over, as far as this process has heard.
import type { Clock } from "../clock.ts";
import type { Caller } from "./caller.ts";

export interface Revoked {
  /** By claim "jti" or "sid"; kept until the time, in milliseconds since 1970. */
  add(id: string, endMs: number): void;
  holds(caller: Pick<Caller, "tokenId" | "sessionId">): boolean;
  /** Calls back when the id is added. Returns how to stop listening. */
  hear(id: string, listener: () => void): () => void;
  /** How many ids somebody listens for. */
  heard(): number;
}

const sweepEveryMs = 60_000;

export function createRevoked(clock: Clock): Revoked {
  const ends = new Map<string, number>();
  const listeners = new Map<string, Set<() => void>>();
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
      for (const listener of listeners.get(id) ?? []) listener();
    },
    holds: ({ tokenId, sessionId }) =>
      (tokenId !== undefined && ends.has(tokenId)) || (sessionId !== undefined && ends.has(sessionId)),
    hear: (id, listener) => {
      const others = listeners.get(id) ?? new Set();
      listeners.set(id, others.add(listener));
      return () => {
        others.delete(listener);
        if (others.size === 0 && listeners.get(id) === others) listeners.delete(id);
      };
    },
    heard: () => listeners.size,
  };
}
