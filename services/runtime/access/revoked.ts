// Tokens that are no longer good although their time is not over, as far as this process has heard.
import type { Clock } from "../clock.ts";
import type { Caller } from "./caller.ts";

export interface Revoked {
  /** By claim "jti" or "sid"; kept until the time, in milliseconds since 1970. */
  add(id: string, endMs: number): void;
  /** All tokens of a tenant that were issued up to a time, but for those of services, which finish what is under way. */
  addTenant(tenant: string, revocation: TenantRevocation): void;
  holds(caller: Revocable): boolean;
  /** Calls back when the id is added; for all tokens of a tenant see allOf. Returns how to stop listening. */
  hear(id: string, listener: () => void): () => void;
  /** How many ids somebody listens for. */
  heard(): number;
}

/** Milliseconds since 1970. */
export interface TenantRevocation {
  issuedUntilMs: number;
  /** When the last of the tokens ends by itself. */
  endMs: number;
}

type Revocable = Pick<Caller, "tokenId" | "sessionId"> & Partial<Pick<Caller, "tenant" | "roles" | "issueMs">>;

/** What to hear for all tokens of a tenant. No token's own id has a space in it. */
export const allOf = (tenant: string): string => `tenant ${tenant}`;

const sweepEveryMs = 60_000;

export function createRevoked(clock: Clock): Revoked {
  const ends = new Map<string, number>();
  const tenants = new Map<string, TenantRevocation>();
  const listeners = new Map<string, Set<() => void>>();
  let sweepMs = 0;
  const sweep = (nowMs: number): void => {
    if (nowMs < sweepMs) return;
    sweepMs = nowMs + sweepEveryMs;
    for (const [id, endMs] of ends) if (endMs < nowMs) ends.delete(id);
    for (const [tenant, { endMs }] of tenants) if (endMs < nowMs) tenants.delete(tenant);
  };
  const tell = (id: string): void => {
    for (const listener of listeners.get(id) ?? []) listener();
  };
  return {
    add: (id, endMs) => {
      sweep(clock.now().getTime());
      ends.set(id, Math.max(endMs, ends.get(id) ?? 0));
      tell(id);
    },
    addTenant: (tenant, { issuedUntilMs, endMs }) => {
      sweep(clock.now().getTime());
      const known = tenants.get(tenant);
      tenants.set(tenant, {
        issuedUntilMs: Math.max(issuedUntilMs, known?.issuedUntilMs ?? 0),
        endMs: Math.max(endMs, known?.endMs ?? 0),
      });
      tell(allOf(tenant));
    },
    holds: (caller) => {
      const { tokenId, sessionId } = caller;
      return (
        (tokenId !== undefined && ends.has(tokenId)) ||
        (sessionId !== undefined && ends.has(sessionId)) ||
        isOfTenant(tenants, caller)
      );
    },
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

function isOfTenant(
  tenants: ReadonlyMap<string, TenantRevocation>,
  { tenant = "", roles = [], issueMs = 0 }: Revocable,
): boolean {
  const revocation = tenants.get(tenant);
  return revocation !== undefined && issueMs <= revocation.issuedUntilMs && !roles.includes("service");
}
