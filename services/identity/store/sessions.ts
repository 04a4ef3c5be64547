// Reads and writes sessions, their refresh tokens, and what was revoked.
import { sql, type Transaction } from "kysely";
import type { Session } from "../domain/session.ts";
import type { IdentityTables } from "./tables.ts";

const sessionColumns = sql`
  session_id as "sessionId", tenant_id as tenant, client_id as "clientId", customer_id as "customerId", roles, scopes,
  create_time as "createTime", expire_time as "expireTime", access_until as "accessUntil", end_time as "endTime"`;

export async function insertSession(tx: Transaction<IdentityTables>, session: Session): Promise<void> {
  const { sessionId, tenant, clientId, customerId, roles, scopes, createTime, expireTime, accessUntil } = session;
  await sql`
    insert into session
      (session_id, tenant_id, client_id, customer_id, roles, scopes, create_time, expire_time, access_until)
    values (${sessionId}, ${tenant}, ${clientId}, ${customerId}, ${roles}::text[], ${scopes}::text[], ${createTime},
      ${expireTime}, ${accessUntil})`.execute(tx);
}

export async function insertRefreshToken(
  tx: Transaction<IdentityTables>,
  token: { tokenHash: Buffer; sessionId: string; now: Date },
): Promise<void> {
  await sql`
    insert into refresh_token (token_hash, session_id, create_time)
    values (${token.tokenHash}, ${token.sessionId}, ${token.now})`.execute(tx);
}

export interface HeldToken {
  session: Session;
  createTime: Date;
  usedTime: Date | null;
}

/**
 * The refresh token with its session, which nobody else uses or ends until the transaction ends. The token is read after the
 * session is locked: before, another may have used it since.
 */
export async function lockToken(tx: Transaction<IdentityTables>, tokenHash: Buffer): Promise<HeldToken | undefined> {
  const locked = await sql<Session>`
    select ${sessionColumns} from session
    where session_id = (select session_id from refresh_token where token_hash = ${tokenHash})
    for update`.execute(tx);
  const read = await sql<{ createTime: Date; usedTime: Date | null }>`
    select create_time as "createTime", use_time as "usedTime" from refresh_token where token_hash = ${tokenHash}`.execute(tx);
  const [session] = locked.rows;
  const [token] = read.rows;
  return session && token ? { session, ...token } : undefined;
}

/** The token cannot be used again; the session has given an access token that is good until the given time. */
export async function useToken(
  tx: Transaction<IdentityTables>,
  use: { tokenHash: Buffer; sessionId: string; now: Date; accessUntil: Date },
): Promise<void> {
  await sql`update refresh_token set use_time = ${use.now} where token_hash = ${use.tokenHash}`.execute(tx);
  await sql`
    update session set access_until = greatest(access_until, ${use.accessUntil})
    where session_id = ${use.sessionId}`.execute(tx);
}

export type SessionsOf = { sessionId: string } | { clientId: string } | { tenant: string; customerId: string };

export interface EndedSession {
  sessionId: string;
  tenant: string;
  accessUntil: Date;
}

/** Ends those that have not ended. Locked in the order of their ids, so that two who end the same do not wait for each other. */
export async function endSessions(tx: Transaction<IdentityTables>, of: SessionsOf, now: Date): Promise<EndedSession[]> {
  const which =
    "sessionId" in of
      ? sql`session_id = ${of.sessionId}`
      : "clientId" in of
        ? sql`client_id = ${of.clientId}`
        : sql`tenant_id = ${of.tenant} and customer_id = ${of.customerId}`;
  const ended = await sql<EndedSession>`
    update session set end_time = ${now}
    where session_id in (select session_id from session where ${which} and end_time is null order by session_id for update)
      and end_time is null
    returning session_id as "sessionId", tenant_id as tenant, access_until as "accessUntil"`.execute(tx);
  return ended.rows;
}

/** Ids of those that were not revoked before. */
export async function insertRevocations(
  tx: Transaction<IdentityTables>,
  revocations: readonly { revokedId: string; expireTime: Date }[],
): Promise<Set<string>> {
  const inserted = await sql<{ revokedId: string }>`
    insert into revocation (revoked_id, expire_time)
    select * from unnest(
      ${revocations.map(({ revokedId }) => revokedId)}::text[],
      ${revocations.map(({ expireTime }) => expireTime)}::timestamptz[]
    )
    on conflict do nothing
    returning revoked_id as "revokedId"`.execute(tx);
  return new Set(inserted.rows.map(({ revokedId }) => revokedId));
}

export async function isRevoked(tx: Transaction<IdentityTables>, ids: readonly string[]): Promise<boolean> {
  const read = await sql`select 1 from revocation where revoked_id = any(${[...ids]}::text[]) limit 1`.execute(tx);
  return read.rows.length > 0;
}
