// Tells every process that tokens are good no longer, in the transaction that makes it so.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Transaction } from "kysely";
import { TokenRevokedSchema } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, requestCause, type Cause } from "#runtime/events/outgoing.ts";
import { newId } from "#runtime/ids.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { endSessions, insertRevocations, type SessionsOf } from "../store/sessions.ts";
import type { IdentityTables } from "../store/tables.ts";

export interface Revocation {
  /** Claim "jti" of a token, or "sid" of all tokens of a session. */
  revokedId: string;
  /** Empty for a token of a service that acts for no shop. */
  tenant: string;
  expireTime: Date;
}

export interface When {
  now: Date;
  /** Without it the call that is worked on. */
  cause?: Cause;
}

/**
 * Each id is told of once: its first revocation is its only one, so the sequence is always 1. Answers which were not revoked
 * before.
 */
export async function revoke(
  tx: Transaction<IdentityTables>,
  revocations: readonly Revocation[],
  { now, cause }: When,
): Promise<ReadonlySet<string>> {
  if (revocations.length === 0) return new Set();
  const fresh = await insertRevocations(tx, revocations);
  await appendEvents(
    tx,
    revocations
      .filter(({ revokedId }) => fresh.has(revokedId))
      .map(({ revokedId, tenant, expireTime }) =>
        outgoing(
          TokenRevokedSchema,
          { revokedId, expireTime: timestampFromDate(expireTime) },
          // An event is some shop's; all hear it, whosever it is.
          { tenant: tenant === "" ? currentRequest().tenant : tenant, sequence: 1, time: now, cause: cause ?? requestCause() },
        ),
      ),
  );
  return fresh;
}

/** Takes back all tokens of a tenant that were issued up to now, but for those of services. */
export async function revokeTokensOf(
  tx: Transaction<IdentityTables>,
  { tenantId, now, expireTime }: { tenantId: string; now: Date; expireTime: Date },
): Promise<void> {
  const message = {
    revokedId: newId("trv"),
    expireTime: timestampFromDate(expireTime),
    tenantId,
    issuedUntil: timestampFromDate(now),
  };
  const about = { tenant: tenantId, sequence: 1, time: now, cause: requestCause() };
  await appendEvents(tx, [outgoing(TokenRevokedSchema, message, about)]);
}

/** Ends sessions with all their tokens. Answers how many there were. */
export async function revokeSessions(tx: Transaction<IdentityTables>, of: SessionsOf, when: When): Promise<number> {
  const ended = await endSessions(tx, of, when.now);
  const revocations = ended.map(({ sessionId, tenant, accessUntil }) => ({
    revokedId: sessionId,
    tenant,
    expireTime: accessUntil,
  }));
  await revoke(tx, revocations, when);
  return ended.length;
}
