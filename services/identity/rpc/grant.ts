// What a client gets: tokens for itself, or those of a session.
import type { Transaction } from "kysely";
import { newId } from "#runtime/ids.ts";
import { accessTokenMs } from "../domain/keys.ts";
import type { Client } from "../domain/client.ts";
import { sessionMs, type Session } from "../domain/session.ts";
import { hashSecret, newRefreshToken } from "../store/secret-hash.ts";
import { insertRefreshToken, insertSession, useToken } from "../store/sessions.ts";
import type { IdentityTables } from "../store/tables.ts";
import type { AccessTokens } from "./access-tokens.ts";
import { recordBegin } from "./session-entry.ts";

interface Granting {
  tokens: AccessTokens;
  tx: Transaction<IdentityTables>;
  now: Date;
  client: Client;
}

/** RFC 6749, section 5.1. */
export interface Grant {
  accessToken: string;
  tokenType: string;
  expiresIn: number;
  refreshToken: string;
  scope: string;
}

const grant = (accessToken: string, refreshToken: string, scopes: readonly string[]): Grant => ({
  accessToken,
  tokenType: "Bearer",
  expiresIn: accessTokenMs / 1_000,
  refreshToken,
  scope: scopes.join(" "),
});

const limitOf = ({ rateLimit }: Client) => (rateLimit === null ? {} : { rate_limit: rateLimit });

/** A client that acts for itself gets no refresh token (RFC 6749, section 4.4.3): it can ask again at any time. */
export async function grantToClient(
  { tokens, tx, now, client }: Granting,
  { tenant, scopes }: { tenant: string; scopes: readonly string[] },
): Promise<Grant> {
  const { clientId, roles } = client;
  const claims = { sub: clientId, client_id: clientId, tenant, roles, scope: scopes.join(" "), ...limitOf(client) };
  const { accessToken } = await tokens.issue(tx, claims, now);
  return grant(accessToken, "", scopes);
}

function issueFor({ tokens, tx, now, client }: Granting, session: Session, scopes: readonly string[]) {
  const { customerId, clientId, sessionId, tenant, roles } = session;
  const claims = { sub: customerId, client_id: clientId, sid: sessionId, tenant, roles, scope: scopes.join(" ") };
  return tokens.issue(tx, { ...claims, ...limitOf(client) }, now);
}

async function newToken({ tx, now }: Granting, sessionId: string): Promise<string> {
  const refreshToken = newRefreshToken();
  await insertRefreshToken(tx, { tokenHash: hashSecret(refreshToken), sessionId, now });
  return refreshToken;
}

/** Begins a session. */
export async function grantSession(
  granting: Granting,
  { customerId, scopes }: { customerId: string; scopes: string[] },
): Promise<Grant> {
  const { tx, now, client } = granting;
  const session: Session = {
    sessionId: newId("ses"),
    tenant: client.tenant,
    clientId: client.clientId,
    customerId,
    roles: client.roles,
    scopes,
    createTime: now,
    expireTime: new Date(now.getTime() + sessionMs),
    accessUntil: now,
    endTime: null,
  };
  const { accessToken, expireTime } = await issueFor(granting, session, scopes);
  await insertSession(tx, { ...session, accessUntil: expireTime });
  await recordBegin(tx, session);
  return grant(accessToken, await newToken(granting, session.sessionId), scopes);
}

/** Goes on with a session: its refresh token is used up, and there is a new one. */
export async function grantAgain(
  granting: Granting,
  { session, tokenHash, scopes }: { session: Session; tokenHash: Buffer; scopes: readonly string[] },
): Promise<Grant> {
  const { sessionId } = session;
  const { accessToken, expireTime } = await issueFor(granting, session, scopes);
  await useToken(granting.tx, { tokenHash, sessionId, now: granting.now, accessUntil: expireTime });
  return grant(accessToken, await newToken(granting, sessionId), scopes);
}
