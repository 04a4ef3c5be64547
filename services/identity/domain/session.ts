// A session: all tokens that come from one sign-in. Its refresh token is good for one use (RFC 9700, section 4.14.2).

/** From sign-in to the end, however often it is refreshed. */
export const sessionMs = 30 * 24 * 3_600_000;

export interface Session {
  sessionId: string;
  tenant: string;
  clientId: string;
  customerId: string;
  roles: ("customer" | "operator" | "service")[];
  scopes: string[];
  createTime: Date;
  expireTime: Date;
  /** When the last of its access tokens ends. */
  accessUntil: Date;
  endTime: Date | null;
}

export const isLive = ({ endTime, expireTime }: Session, now: Date): boolean => endTime === null && expireTime > now;

/**
 * What the use of a refresh token means. One that was used before is in two hands, and nobody knows in which: the session ends.
 * There is no grace for a client whose answer got lost, since a thief would have the same; it signs in again.
 */
export function judgeRefresh(
  session: Session,
  use: { usedTime: Date | null; clientId: string; now: Date },
): "good" | "reused" | "refused" {
  if (session.clientId !== use.clientId || !isLive(session, use.now)) return "refused";
  return use.usedTime === null ? "good" : "reused";
}
