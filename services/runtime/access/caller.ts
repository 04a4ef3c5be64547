// Who calls, as an access token or the process itself says it.
import type { Role } from "./claims.ts";

export interface Caller {
  /** Id of the customer, or of the client where it acts for itself. */
  subject: string;
  clientId: string;
  /** Empty where a service acts for no shop. */
  tenant: string;
  roles: readonly Role[];
  /** "all" is for services in this process, which have no token. */
  scopes: ReadonlySet<string> | "all";
  /** What it showed, to be shown to other processes for it; undefined where nothing was needed. */
  token?: string;
  /** Claims "jti" and "sid"; either may be revoked. */
  tokenId?: string;
  sessionId?: string;
  /** Requests a second, where the token says. */
  rateLimit?: number;
  /** When its token was issued; milliseconds since 1970. Absent where there is none. */
  issueMs?: number;
  /** When its token is over; milliseconds since 1970. */
  endMs: number;
}

/** A service of this process, where it calls another of this process for itself: nothing leaves the process, so nothing is shown. */
export function serviceCaller(tenant: string): Caller {
  return { subject: "mesh", clientId: "mesh", tenant, roles: ["service"], scopes: "all", endMs: Number.POSITIVE_INFINITY };
}

/** True where it is a customer and nothing more, so that it may have only what is its own. */
export const isOnlyCustomer = ({ roles }: Caller): boolean => !roles.some((role) => role !== "customer");
